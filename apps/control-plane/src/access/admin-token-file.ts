import { readFile, rename, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Configuration } from '../config/configuration.js';
import { ApiTokenService } from './api-token.service.js';

/**
 * Keeps `<data dir>/admin-token` holding a token that works, so that whoever can read the folder can get in: at the first start, and
 * again when the file was lost or belongs to another database.
 */
@Injectable()
export class AdminTokenFile implements OnApplicationBootstrap {
  private readonly logger = new Logger(AdminTokenFile.name);

  constructor(
    private readonly configuration: Configuration,
    private readonly tokens: ApiTokenService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.configuration.bootstrapAdminToken) return;
    const path = join(this.configuration.dataDirectory, 'admin-token');
    const present = await readIfPresent(path);
    const holder = present && (await this.tokens.authenticate(present));
    if (holder && holder.role === 'admin') return;
    const { token, name } = await this.tokens.create(
      { name: `admin-token file on ${hostname()}`, role: 'admin', expiresAt: null },
      { kind: 'system', name: 'start' },
    );
    await writeSecret(path, token);
    const why = present === null ? '' : ' (the one in the file was not valid in this database)';
    this.logger.log(`wrote a new admin token, named "${name}", to ${path}${why}`);
  }
}

async function readIfPresent(path: string): Promise<string | null> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Through a file beside it, so that a crash leaves the old or the new one and the mode is right from the first byte. */
async function writeSecret(path: string, secret: string): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${secret}\n`, { mode: 0o600 });
  await rename(temporary, path);
}
