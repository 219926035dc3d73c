// Lint rules; run with `eslint -c scripts/eslint.config.js`. Types decide most of them, so this follows tsconfig.json.
import { join } from "node:path";
import tseslint from "typescript-eslint";

const root = join(import.meta.dirname, "..");

/** Rules of the kind "no any and nothing that comes of it" are part of the two type-checked sets. */
export default tseslint.config(
  { ignores: ["**/node_modules/**", "**/runs/**", "**/data/**/*.js"] },
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: join(root, "tsconfig.json"), tsconfigRootDir: root } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/consistent-type-imports": "error",
      // Scores and weights are looked up by names with dots and dashes; one spelling for all of them.
      "@typescript-eslint/dot-notation": "off",
      // `src[i]!` in the inner loops over pixels, samples and weights: an index is checked by its loop.
      "@typescript-eslint/no-non-null-assertion": "off",
      // Numbers, errors and lists in messages are what we want to read there.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true, allowArray: true }],
      // `(text) => output.write(text)` hands a void on; the short form reads better.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // What was caught is thrown on as it is; TypeScript knows it as "anything but undefined".
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": ["error", { allowThrowingUnknown: true, allowThrowingAny: false }],
      // `_` is the name of what a callback or a pattern has to mention.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_$", varsIgnorePattern: "^_$", destructuredArrayIgnorePattern: "^_$", ignoreRestSiblings: true }],
      // A switch over a foreign union may leave the rest to its default.
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
  { files: ["scripts/**/*.ts"], rules: { "no-console": "off" } },
  // vitest's matchers (expect.closeTo, expect.anything) are typed as any.
  { files: ["test/**/*.ts"], rules: { "@typescript-eslint/no-unsafe-assignment": "off" } },
);
