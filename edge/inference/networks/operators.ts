/*
 * What an imported network may be made of. A closed list, since each library knows operators that loop, call functions of
 * the host, read files or make a result as large as a number in the data says. Whoever adds one asks: does it end, does it
 * hold no code, and does the size of its result follow from the sizes of what goes in?
 */

/** ONNX, domain ai.onnx: https://onnx.ai/onnx/operators/. Without Loop, Scan, If, Expand, Tile, Range, Resize, OneHot, NonZero, ConstantOfShape. */
export const onnxOperators: ReadonlySet<string> = new Set(
  `Abs Add AveragePool BatchNormalization Cast CastLike Clip Concat Constant Conv Cos Div Dropout Elu Erf Exp Flatten GRU
  Gather Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Identity
  InstanceNormalization LSTM LayerNormalization LeakyRelu Log LogSoftmax MatMul Max MaxPool Mean Min Mish Mul Neg PRelu
  Pow RNN Reciprocal ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
  Selu Shape Sigmoid Sign Sin Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Swish Tanh ThresholdedRelu
  Transpose Unsqueeze Where`.split(/\s+/),
);

/** Classes of TensorFlow.js Layers and of Keras by the same names: layers, models, and what configures them. */
export const layerClasses: ReadonlySet<string> = new Set(
  `Activation Add AlphaDropout Average AveragePooling1D AveragePooling2D BatchNormalization Bidirectional Concatenate Conv1D
  Conv2D Dense DepthwiseConv2D Dot Dropout ELU Flatten Functional GRU GRUCell GaussianDropout GaussianNoise
  GlobalAveragePooling1D GlobalAveragePooling2D GlobalMaxPooling1D GlobalMaxPooling2D InputLayer LSTM LSTMCell
  LayerNormalization LeakyReLU Masking MaxPooling1D MaxPooling2D Maximum Minimum Model Multiply PReLU Permute ReLU
  RepeatVector Reshape SeparableConv2D Sequential SimpleRNN SimpleRNNCell Softmax SpatialDropout1D StackedRNNCells
  ThresholdedReLU TimeDistributed UpSampling1D ZeroPadding1D
  Constant GlorotNormal GlorotUniform HeNormal HeUniform Identity LeCunNormal LeCunUniform Ones Orthogonal RandomNormal
  RandomUniform TruncatedNormal VarianceScaling Zeros
  L1 L1L2 L2 MaxNorm MinMaxNorm NonNeg UnitNorm`.split(/\s+/),
);

/** Operators of TensorFlow graphs. Without control flow, functions, tables, lists, variables and whatever makes a shape from data. */
export const graphOperators: ReadonlySet<string> = new Set(
  `Abs Add AddN AddV2 AvgPool BatchMatMul BatchMatMulV2 BiasAdd Cast ConcatV2 Const Conv2D DepthwiseConv2dNative Elu
  Exp ExpandDims FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 GatherV2 Identity IdentityN LeakyRelu Log MatMul Max
  MaxPool Maximum Mean Min Minimum Mul Neg NoOp Pack Placeholder Pow Prelu Prod RealDiv Relu Relu6 Reshape Rsqrt Selu
  Shape Sigmoid Slice Softmax Softplus Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub Sum Tanh
  Transpose Unpack _FusedConv2D _FusedMatMul`.split(/\s+/),
);
