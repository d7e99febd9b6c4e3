import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { AgentError } from '../agent-error.js';
import type { DataDirectory } from '../data-directory.js';

const KEY_FILE = 'query-names-key';
/** Shorter ones weaken HMAC-SHA-256 (RFC 2104 §3). */
const KEY_MIN_BYTES = 32;
/** Larger is no key: somebody named the wrong file. */
const KEY_FILE_MAX_BYTES = 4096;

/** The key of a file, which its owner may share among hosts so that one name has one hash everywhere. Throws AgentError `bad_usage`. */
export function sharedNameKey(path: string): Buffer {
  const key = withoutLineEnd(readKeyFile(path));
  if (key.length < KEY_MIN_BYTES) {
    throw new AgentError(
      'bad_usage',
      `the file ${path} of --query-names-key-file holds ${key.length} bytes; at least ${KEY_MIN_BYTES} are needed (openssl rand -hex 32)`,
    );
  }
  return key;
}

/** This host's own key, made at the first call. Throws AgentError `data_directory`. */
export function ownNameKey(directory: DataDirectory): Buffer {
  const held = directory.read(KEY_FILE);
  if (held !== undefined && held.trimEnd().length >= KEY_MIN_BYTES) return withoutLineEnd(Buffer.from(held));
  if (held !== undefined) {
    throw new AgentError(
      'data_directory',
      `${directory.pathOf(KEY_FILE)} is damaged: remove it, and names will have other hashes from then on`,
    );
  }
  const key = randomBytes(KEY_MIN_BYTES).toString('hex');
  directory.replace(KEY_FILE, `${key}\n`);
  return Buffer.from(key);
}

function readKeyFile(path: string): Buffer {
  try {
    const status = statSync(path);
    if (!status.isFile()) throw new Error('it is no file');
    const { size } = status;
    if (size > KEY_FILE_MAX_BYTES) throw new Error(`it has ${size} bytes, more than ${KEY_FILE_MAX_BYTES}`);
    return readFileSync(path);
  } catch (error) {
    throw new AgentError(
      'bad_usage',
      `the file ${path} of --query-names-key-file cannot be used: ${(error as Error).message}`,
    );
  }
}

/** Editors end files with a line; it is not meant as part of the key. */
function withoutLineEnd(bytes: Buffer): Buffer {
  const text = bytes.toString('latin1');
  return bytes.subarray(0, text.replace(/\r?\n$/, '').length);
}
