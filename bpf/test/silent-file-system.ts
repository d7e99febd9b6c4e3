import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, mkdir, open } from 'node:fs/promises';

// include/uapi/linux/fuse.h
const LOOKUP = 1;
const FORGET = 2;
const GETATTR = 3;
const OPEN = 14;
const INIT = 26;
const BATCH_FORGET = 42;
const ENOSYS = 38;
const REPLY_HEADER_BYTES = 16;
const ATTRIBUTES_BYTES = 88;

const DIRECTORY = 0o040755;
const REGULAR = 0o100755;
const ROOT_INODE = 1n;
const FILE_INODE = 2n;

/**
 * A file system in user space (FUSE) that holds one empty file under any name one asks for, and that at some time takes requests without ever
 * answering them.
 */
export class SilentFileSystem {
  private silent = false;

  private constructor(
    readonly path: string,
    private readonly device: FileHandle,
  ) {}

  static async mount(path: string): Promise<SilentFileSystem> {
    await mkdir(path, { recursive: true });
    const device = await open('/dev/fuse', 'r+');
    const options = 'fd=3,rootmode=40000,user_id=0,group_id=0,allow_other';
    const mount = spawn('mount', ['-i', '-t', 'fuse', '-o', options, 'silent', path], {
      stdio: ['ignore', 'ignore', 'inherit', device.fd],
    });
    const [status] = await once(mount, 'close');
    if (status !== 0) throw new Error(`mount ended with ${status}`);
    const mounted = new SilentFileSystem(path, device);
    void mounted.serve();
    return mounted;
  }

  fallSilent(): void {
    this.silent = true;
  }

  /** Ends the connection, and with it all that waits for an answer. */
  async unmount(): Promise<void> {
    const umount = spawn('umount', ['--force', '--lazy', this.path], { stdio: 'ignore' });
    await once(umount, 'close');
    await this.device.close().catch(() => undefined);
  }

  private async serve(): Promise<void> {
    const request = Buffer.alloc(1 << 17);
    try {
      for (;;) {
        await this.device.read(request, 0, request.length, null);
        const operation = request.readUInt32LE(4);
        const isForgotten = operation === FORGET || operation === BATCH_FORGET;
        if (!isForgotten && !this.silent) await this.answer(operation, request);
      }
    } catch {
      // Unmounted.
    }
  }

  private async answer(operation: number, request: Buffer): Promise<void> {
    const body = reply(operation, request.readBigUInt64LE(16));
    const header = Buffer.alloc(REPLY_HEADER_BYTES);
    header.writeUInt32LE(REPLY_HEADER_BYTES + (body?.length ?? 0), 0);
    header.writeInt32LE(body ? 0 : -ENOSYS, 4);
    header.writeBigUInt64LE(request.readBigUInt64LE(8), 8);
    await this.device.write(Buffer.concat([header, body ?? Buffer.alloc(0)]));
  }
}

/** The answer behind its header; undefined: not supported. */
function reply(operation: number, inode: bigint): Buffer | undefined {
  if (operation === INIT) {
    const init = Buffer.alloc(64);
    init.writeUInt32LE(7, 0); // major
    init.writeUInt32LE(31, 4); // minor
    init.writeUInt32LE(4096, 20); // max_write
    init.writeUInt32LE(1, 24); // time_gran
    return init;
  }
  if (operation === LOOKUP) {
    const entry = Buffer.alloc(40);
    entry.writeBigUInt64LE(FILE_INODE, 0);
    return Buffer.concat([entry, attributes(FILE_INODE)]);
  }
  if (operation === GETATTR) return Buffer.concat([Buffer.alloc(16), attributes(inode)]);
  return operation === OPEN ? Buffer.alloc(16) : undefined;
}

function attributes(inode: bigint): Buffer {
  const bytes = Buffer.alloc(ATTRIBUTES_BYTES);
  bytes.writeBigUInt64LE(inode, 0);
  bytes.writeUInt32LE(inode === ROOT_INODE ? DIRECTORY : REGULAR, 60);
  bytes.writeUInt32LE(1, 64); // nlink
  return bytes;
}
