import { defineConfig } from 'vitest/config';

// Workspace libs are tested from their sources: the condition picks `src/index.ts` out of each package's exports.
const conditions = ['synscope-source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['apps/*/src/**/*.test.ts', 'libs/*/src/**/*.test.ts', 'tools/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
