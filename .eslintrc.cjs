// The import directions of docs/design.md: errors <- protocol <- {server, client}, cgi <- {server, gateway}, and the command behind all of them.
// A folder may import only what stands to its left.
const layer = (target, ...forbidden) => ({
  target: `./lib/${target}`,
  from: forbidden.map((name) => `./lib/${name}`),
  message: `lib/${target} must not import ${forbidden.map((name) => `lib/${name}`).join(' or ')}`,
})
const pure = ['net', 'http', 'https', 'tls', 'dgram', 'timers', 'timers/promises', 'child_process', 'cluster', 'fs', 'fs/promises', 'pino']
const pureModules = pure.flatMap((name) => [name, `node:${name}`])

module.exports = {
  root: true,
  parser: '@typescript-eslint/parser',
  parserOptions: { project: './tsconfig.json', tsconfigRootDir: __dirname },
  plugins: ['@typescript-eslint', 'import-x'],
  extends: ['eslint:recommended', 'plugin:@typescript-eslint/strict-type-checked'],
  settings: {
    'import-x/resolver': { typescript: { project: './tsconfig.json' } },
    // Without these the plugin never reads a .ts file, and no-cycle finds nothing.
    'import-x/extensions': ['.ts', '.js'],
    'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
  },
  env: { node: true, es2022: true },
  rules: {
    eqeqeq: ['error', 'always'],
    'no-console': 'error',
    '@typescript-eslint/no-explicit-any': 'error',
    '@typescript-eslint/no-non-null-assertion': 'error',
    '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
    '@typescript-eslint/no-confusing-void-expression': 'off',
    '@typescript-eslint/unbound-method': 'off',
    'import-x/no-cycle': 'error',
    'import-x/no-restricted-paths': [
      'error',
      {
        zones: [
          layer('errors.ts', 'protocol', 'cgi', 'server', 'client', 'gateway', 'cli'),
          layer('protocol', 'cgi', 'server', 'client', 'gateway', 'cli'),
          layer('cgi', 'protocol', 'server', 'client', 'gateway', 'cli'),
          layer('server', 'client', 'gateway', 'cli'),
          layer('client', 'cgi', 'server', 'gateway', 'cli'),
          layer('gateway', 'server', 'cli'),
        ],
      },
    ],
  },
  overrides: [
    {
      files: ['lib/protocol/**/*.ts', 'lib/cgi/**/*.ts'],
      rules: { 'no-restricted-imports': ['error', { paths: pureModules.map((name) => ({ name, message: 'protocol and cgi are pure' })) }] },
    },
    {
      files: ['__tests__/**/*.ts', 'bench/**/*.ts', 'demo-app/**/*.ts'],
      env: { jest: true },
      rules: {
        'no-console': 'off',
        '@typescript-eslint/no-non-null-assertion': 'off',
        '@typescript-eslint/no-unsafe-assignment': 'off',
        '@typescript-eslint/no-unsafe-member-access': 'off',
        '@typescript-eslint/no-unsafe-argument': 'off',
        '@typescript-eslint/no-unsafe-call': 'off',
        '@typescript-eslint/no-unsafe-return': 'off',
        '@typescript-eslint/no-misused-promises': 'off',
      },
    },
    { files: ['*.js', '*.cjs', '*.mjs'], extends: ['plugin:@typescript-eslint/disable-type-checked'], parserOptions: { sourceType: 'module', project: null } },
  ],
  ignorePatterns: ['dist/', 'node_modules/', '.cache/', 'coverage/', '**/*.mjs', '*.js', '.eslintrc.cjs'],
}
