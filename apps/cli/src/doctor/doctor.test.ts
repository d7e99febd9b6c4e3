import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameType, PROBE_WIRE_VERSION, structs } from '@synscope/probe-wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { capturedRun } from '../testing/captured-run.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'synscope-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that greets as a probe does, and ends when its standard input does. */
function probe(changes: object = {}): string {
  const hello = {
    wireVersion: PROBE_WIRE_VERSION,
    version: '0.1.0',
    kernel: '5.10.0-32-amd64',
    architecture: 'x86_64',
    capabilities: [
      { name: 'tcp_handshake.client', available: true, detail: '' },
      { name: 'tcp_handshake.accept_wait', available: true, detail: 'to the next tick' },
      { name: 'dns.late_after_close', available: false, detail: 'needs drop reasons, Linux 5.17' },
    ],
    ...changes,
  };
  const payload = Buffer.from(JSON.stringify(hello));
  const { size, fields } = structs.frame_header;
  const header = Buffer.alloc(size);
  header.writeUInt32LE(payload.length, fields.length.offset);
  header.writeUInt16LE(FrameType.hello, fields.type.offset);
  writeFileSync(join(folder, 'hello'), Buffer.concat([header, payload]));
  return script(`cat ${folder}/hello; cat >/dev/null`);
}

function script(text: string): string {
  const path = join(folder, 'synscope-probe');
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('synscope doctor', () => {
  it('says what the probe can measure here, exactly or not, and why not', async () => {
    const { status, output, errors } = await capturedRun(['doctor', '--probe', probe()]);
    expect(status).toBe(0);
    expect(errors).toMatch(/^asked .*synscope-probe; kernel 5\.10\.0-32-amd64, x86_64\n$/);
    expect(output.split('\n').slice(1, 4)).toEqual([
      expect.stringMatching(/^tcp_handshake\.client +exact$/),
      expect.stringMatching(/^tcp_handshake\.accept_wait +inexact +to the next tick$/),
      expect.stringMatching(/^dns\.late_after_close +missing +needs drop reasons, Linux 5\.17$/),
    ]);
  });

  it('takes the probe of the environment, and ends with 1 with --fail-if-any if something is missing', async () => {
    const { status, output } = await capturedRun(['doctor', '-o', 'json', '--fail-if-any'], {
      SYNSCOPE_PROBE: probe(),
    });
    expect(status).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ kernel: '5.10.0-32-amd64', capabilities: [{}, {}, {}] });
  });

  it.each<[string, () => string, RegExp]>([
    ['is not there', () => join(folder, 'none'), /none cannot be run: .*ENOENT/],
    ['speaks another version', () => probe({ wireVersion: 99 }), /speaks wire version 99/],
    [
      'ends without a greeting',
      () => script('echo no BTF >&2; exit 3'),
      /ended with status 3 .*it said: no BTF/,
    ],
  ])('fails with a sentence if the probe %s', async (_name, path, problem) => {
    const { status, errors } = await capturedRun(['doctor', '--probe', path()]);
    expect(status).toBe(1);
    expect(errors).toMatch(problem);
  });
});
