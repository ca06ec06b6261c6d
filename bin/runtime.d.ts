export declare const nodeFlags: readonly string[];
export declare function nodeEnvironment(base: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
