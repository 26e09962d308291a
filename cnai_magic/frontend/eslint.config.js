import tseslint from "typescript-eslint";

const unsafe = "Model output is untrusted: make nodes with createElement and textContent.";
const forbidden = ["innerHTML", "outerHTML", "insertAdjacentHTML", "createContextualFragment", "setHTMLUnsafe", "srcdoc"];

export default tseslint.config(
  { ignores: ["node_modules", "lab/node_modules", "lab/built"] },
  ...tseslint.configs.recommended,
  {
    files: ["src/**/*.ts", "lab/src/**/*.ts"],
    rules: {
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-properties": [
        "error",
        ...forbidden.map((property) => ({ property, message: unsafe })),
        { object: "document", property: "write", message: unsafe },
        { object: "document", property: "writeln", message: unsafe },
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: `Property[key.name=/^(${forbidden.join("|")})$/], MemberExpression[property.value=/^(${forbidden.join("|")})$/]`,
          message: unsafe,
        },
        { selector: "NewExpression[callee.name='DOMParser']", message: unsafe },
      ],
    },
  },
);
