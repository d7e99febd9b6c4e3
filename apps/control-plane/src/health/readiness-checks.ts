import { Injectable } from '@nestjs/common';

export interface ReadinessCheck {
  readonly name: string;
  /** Resolves to null if ready, or to the reason why not. Must answer within seconds; a rejection counts as a reason. */
  readonly check: () => Promise<string | null>;
}

/** What /readyz asks. A feature adds its check when its module starts. */
@Injectable()
export class ReadinessChecks {
  private readonly checks: ReadinessCheck[] = [];

  add(check: ReadinessCheck): void {
    this.checks.push(check);
  }

  all(): readonly ReadinessCheck[] {
    return this.checks;
  }
}
