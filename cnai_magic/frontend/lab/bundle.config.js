// Beside what @jupyter/builder sets: TypeScript as it is, and the same bytes in any folder.
module.exports = {
  optimization: { moduleIds: "natural", chunkIds: "natural" },
  resolve: { extensions: [".ts", ".js"] },
  module: {
    rules: [
      {
        test: /\.ts$/,
        loader: "builtin:swc-loader",
        options: { jsc: { parser: { syntax: "typescript" }, target: "es2021" } },
        type: "javascript/auto",
      },
    ],
  },
};
