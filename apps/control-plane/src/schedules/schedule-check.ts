import { Injectable } from '@nestjs/common';
import { MINIMUM_PERIOD_SECONDS } from '@synscope/api-contract';
import { SessionControl } from '../trace-sessions/session-control.js';
import { inSession, invalidCron, jitterTooLong, neverDue, tooOften } from './schedule.errors.js';
import { type ScheduleSettings, timingOf } from './schedule.js';
import type { Timing } from './timing.js';

/** What the schema of the contract cannot say about a schedule. */
@Injectable()
export class ScheduleCheck {
  constructor(private readonly sessions: SessionControl) {}

  /** Throws ApiError. */
  check(settings: ScheduleSettings, anchorAt: Date, now: Date): Timing {
    const timing = readTiming(settings, anchorAt);
    if (timing.next(now, 1).length === 0) throw neverDue(settings.cron ?? '');
    const periodSeconds = timing.shortestPeriodSeconds(now);
    if (periodSeconds !== null) {
      if (periodSeconds < MINIMUM_PERIOD_SECONDS) throw tooOften(periodSeconds, MINIMUM_PERIOD_SECONDS);
      if (settings.jitterSeconds > periodSeconds) throw jitterTooLong(periodSeconds);
    }
    try {
      this.sessions.check(settings.session);
    } catch (error) {
      throw inSession(error);
    }
    return timing;
  }
}

function readTiming(settings: ScheduleSettings, anchorAt: Date): Timing {
  try {
    return timingOf({ ...settings, anchorAt });
  } catch (error) {
    // The parser prefixes its messages with the name of its class.
    const reason = error instanceof Error ? error.message.replace(/^Cron\w*: /, '') : String(error);
    throw invalidCron(settings.cron ?? '', reason);
  }
}
