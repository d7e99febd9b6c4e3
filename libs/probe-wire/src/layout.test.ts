import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { constants, PROBE_WIRE_VERSION } from './constants.js';
import { structs } from './layout.js';

const PROBE = fileURLToPath(new URL('../../../bpf/.build/synscope-probe', import.meta.url));

const layoutSchema = z.object({
  wireVersion: z.number(),
  structs: z.record(
    z.string(),
    z.object({
      size: z.number(),
      fields: z.record(z.string(), z.object({ offset: z.number(), size: z.number() })),
    }),
  ),
  constants: z.record(z.string(), z.number()),
});

describe('the layout', () => {
  let printed: z.infer<typeof layoutSchema>;

  beforeAll(() => {
    if (!existsSync(PROBE)) {
      throw new Error(`${PROBE} is missing: build the probe first (npm run build, or make -C bpf)`);
    }
    printed = layoutSchema.parse(JSON.parse(execFileSync(PROBE, ['--print-layout'], { encoding: 'utf8' })));
  });

  it('is of the probe’s wire version', () => {
    expect(PROBE_WIRE_VERSION).toBe(printed.wireVersion);
  });

  it.each(Object.entries(structs))(
    'has struct %s byte for byte as the probe was compiled',
    (name, layout) => {
      expect(layout).toEqual(printed.structs[name]);
    },
  );

  it('knows every struct that the probe prints', () => {
    expect(Object.keys(structs).sort()).toEqual(Object.keys(printed.structs).sort());
  });

  it('has the constants of the probe', () => {
    expect(printed.constants).toMatchObject(constants);
  });
});
