/** What happened and was not looked at yet; tests await events here instead of sleeping. */
export class EventQueue<T> {
  private readonly held: T[] = [];
  private waiting: { matches: (event: T) => boolean; resolve: (event: T) => void }[] = [];

  push(event: T): void {
    const index = this.waiting.findIndex(({ matches }) => matches(event));
    const [waiter] = index < 0 ? [] : this.waiting.splice(index, 1);
    if (waiter === undefined) this.held.push(event);
    else waiter.resolve(event);
  }

  /** The first event that matches, held or to come; the others stay. */
  next(matches: (event: T) => boolean = () => true): Promise<T> {
    const index = this.held.findIndex(matches);
    const [event] = index < 0 ? [] : this.held.splice(index, 1);
    if (event !== undefined) return Promise.resolve(event);
    return new Promise((resolve) => this.waiting.push({ matches, resolve }));
  }

  /** Everything held, which is then forgotten. */
  drain(): T[] {
    return this.held.splice(0);
  }
}
