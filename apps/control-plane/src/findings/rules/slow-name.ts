import type { QuerySituation } from './situation.js';
import { SLOW_ANSWER_US, SLOW_ANSWERS, SLOW_SHARE, SLOW_SHARE_OF_OTHERS } from './thresholds.js';

/** The server is slow to answer this name, each time, and is not slow with others. */
export function onlyThisNameIsSlow({ query, answers }: QuerySituation): boolean {
  const { ofName, slowOfName, ofOthers, slowOfOthers } = answers;
  const late = query.elapsedUs >= SLOW_ANSWER_US;
  const each = slowOfName >= SLOW_ANSWERS && slowOfName >= ofName * SLOW_SHARE;
  return late && each && ofOthers > 0 && slowOfOthers <= ofOthers * SLOW_SHARE_OF_OTHERS;
}
