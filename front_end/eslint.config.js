import vue from 'eslint-plugin-vue'
import typescript from 'typescript-eslint'

export default typescript.config(
  { ignores: ['dist', 'node_modules', 'coverage'] },
  ...typescript.configs.recommended,
  ...vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: typescript.parser } },
  },
  {
    rules: {
      // TypeScript itself checks names; ESLint does not know the browser's globals.
      'no-undef': 'off',
      complexity: ['error', 10],
      'max-lines': ['error', 200],
      // Layout belongs to prettier.
      'vue/html-self-closing': 'off',
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/html-indent': 'off',
      'vue/multiline-html-element-content-newline': 'off',
    },
  },
  {
    files: ['src/**/*.{ts,vue}'],
    ignores: ['src/api/**'],
    rules: { 'no-restricted-globals': ['error', 'fetch', 'XMLHttpRequest'] },
  },
  {
    files: ['src/**/*.{ts,vue}'],
    ignores: ['src/map/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['ol', 'ol/*', 'proj4'] }] },
  },
  { files: ['tests/**'], rules: { 'max-lines': ['error', 400] } },
)
