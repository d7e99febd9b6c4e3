import type { Log } from '../log.js';
import { EventQueue } from './event-queue.js';

/** Keeps what was logged, so that a failing test can show it. */
export class TestLog implements Log {
  readonly lines: string[] = [];
  /** The same, for a test that waits for a line. */
  readonly written = new EventQueue<string>();

  error(fields: object, message: string): void {
    this.add('error', fields, message);
  }
  warn(fields: object, message: string): void {
    this.add('warn', fields, message);
  }
  info(fields: object, message: string): void {
    this.add('info', fields, message);
  }
  debug(fields: object, message: string): void {
    this.add('debug', fields, message);
  }

  private add(level: string, fields: object, message: string): void {
    const line = `${level} ${message} ${JSON.stringify(fields)}`;
    this.lines.push(line);
    this.written.push(line);
  }
}
