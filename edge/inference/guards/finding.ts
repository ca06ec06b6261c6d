/** What a guard says of a metric. One kind per guard. */
export type Finding =
  /** Outside of the sensor's range. */
  | { readonly kind: "range"; readonly low: number; readonly high: number }
  /** A step far larger than any before it. */
  | { readonly kind: "rate"; readonly step: number; readonly usual: number }
  /** Exactly the same value far longer than ever before. */
  | { readonly kind: "stuck"; readonly values: number }
  /** The device has marked its values as bad for a while. */
  | { readonly kind: "quality"; readonly values: number }
  /** Nothing came for far longer than usual. */
  | { readonly kind: "gap"; readonly seconds: number; readonly usualSeconds: number }
  /** Single values leap out and back, more often than before. */
  | { readonly kind: "hampel"; readonly spike: number; readonly beside: number }
  /** The mean has moved: by the weighted mean, or by the sum of small deviations. */
  | { readonly kind: "ewma" | "cusum"; readonly usual: number; readonly now: number }
  /** It varies more than it did. */
  | { readonly kind: "variance"; readonly factor: number };
