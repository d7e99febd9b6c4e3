/** Values in the order of their arrival, waited for one by one. */
export class Inbox<T> {
  private readonly arrived: T[] = [];
  private readonly waiting: { resolve: (value: T) => void; reject: (reason: Error) => void }[] = [];
  private closed: Error | null = null;

  push(value: T): void {
    const next = this.waiting.shift();
    if (next === undefined) this.arrived.push(value);
    else next.resolve(value);
  }

  /** Nothing more will come: who waits gets the reason. */
  close(reason: Error): void {
    this.closed ??= reason;
    for (const { reject } of this.waiting.splice(0)) reject(this.closed);
  }

  /** The oldest value that nobody has taken; waits for one. */
  next(): Promise<T> {
    if (this.arrived.length > 0) return Promise.resolve(this.arrived.shift() as T);
    if (this.closed !== null) return Promise.reject(this.closed);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** The first value, from now on, that is wanted; others are dropped. */
  async until(wanted: (value: T) => boolean): Promise<T> {
    for (;;) {
      const value = await this.next();
      if (wanted(value)) return value;
    }
  }

  /** How many have arrived and were not taken. */
  get size(): number {
    return this.arrived.length;
  }
}
