/** Something to wait for that is not lost when it comes before the waiting. For one who waits. */
export class WakeUp {
  private awake = false;
  private resume: (() => void) | null = null;

  up(): void {
    this.awake = true;
    this.resume?.();
  }

  /** Whether it came within the time. */
  async wait(timeoutMs: number): Promise<boolean> {
    if (!this.awake) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        this.resume = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    const came = this.awake;
    this.awake = false;
    this.resume = null;
    return came;
  }
}
