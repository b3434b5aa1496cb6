/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  roots: ['<rootDir>/__tests__'],
  testMatch: ['**/*.test.ts'],
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', diagnostics: false }] },
  // TypeScript first: a stray compiled .js beside a source must never be what is tested.
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
  moduleNameMapper: {
    '^express-fastcgi$': '<rootDir>/lib/index.ts',
    '^express-fastcgi/register$': '<rootDir>/lib/register.ts',
    '^express-fastcgi/(client|gateway|protocol)$': '<rootDir>/lib/$1/index.ts',
  },
  testTimeout: 30_000,
  // Real web servers, browsers and 1 GiB streams share two cores on a CI machine.
  maxWorkers: 2,
}
