import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Workspace libs are tested from their sources: the condition picks `src/index.ts` out of each package's exports.
const conditions = ['synscope-source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Most of what tests do is to wait: for Postgres, for a second replica, for what happens later. vitest itself would leave a core free.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'apps/*/src/**/*.test.ts',
            'libs/*/src/**/*.test.ts',
            'tools/**/*.test.ts',
            'examples/**/*.test.ts',
            // The CLI against a control plane: it crosses apps, and needs no more than they do.
            'test/cli/**/*.test.ts',
            // Several replicas, as processes, with agents between them.
            'test/replicas/**/*.test.ts',
            'test/docs/**/*.test.ts',
          ],
          globalSetup: ['test/setup/database.ts'],
          // A process runs one file after another and imports the control plane once, which takes it two seconds: over two fifths of all this
          // project asks of the processor. So what a file changes of globals it restores.
          isolate: false,
        },
      },
      {
        // One file at a time: they attach to the one kernel, and would see each other's connections. `npm test` runs two halves side by side.
        extends: true,
        test: {
          name: 'kernel',
          include: ['bpf/**/*.test.ts'],
          fileParallelism: false,
        },
      },
      {
        // The network lab itself, on which kernel, end-to-end and accuracy tests rely. One file at a time: they hold it to a millisecond.
        extends: true,
        test: { name: 'lab', include: ['test/lab/**/*.test.ts'], fileParallelism: false },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          hookTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'kernels',
          include: ['test/kernels/**/*.test.ts'],
          hookTimeout: 300_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'accuracy',
          include: ['test/accuracy/**/*.test.ts'],
          fileParallelism: false,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
