import { type Family, Lab } from '../../lab/lab.js';
import { type FaultCase, faultCases } from './cases.js';
import { allEnds, dnsPortOf, type Ends, endsNames, firstLabOf, processNames } from './ends.js';
import { Witness } from './scene.js';

const families: readonly Family[] = ['ipv4', 'ipv6'];

/** One case over one family, traced at some ends. */
export interface Combination {
  readonly testCase: FaultCase;
  readonly family: Family;
  readonly ends: Ends;
  readonly endsName: string;
  /** Its number; no other case has it. */
  readonly lab: number;
}

export const combinations: readonly Combination[] = faultCases.flatMap((testCase, index) =>
  allEnds.flatMap((ends) =>
    families.map((family, ofFamily) => ({
      testCase,
      family,
      ends,
      endsName: endsNames[ends],
      lab: firstLabOf(ends) + index * families.length + ofFamily,
    })),
  ),
);

/** What happened in one lab, which is open until it is disposed of. */
export interface Experiment {
  readonly combination: Combination;
  readonly lab: Lab;
  readonly witness: Witness;
  /** When its traffic was over, Date.now(). */
  readonly endedMs: number;
}

async function runExperiment(combination: Combination): Promise<Experiment> {
  const { testCase, family, ends } = combination;
  const lab = await Lab.create({ number: combination.lab });
  try {
    const witness = new Witness();
    const suffix = `c${combination.lab}.p${process.pid}.findings.test`;
    await testCase.run({
      lab,
      family,
      ends,
      names: processNames[ends],
      dnsPort: dnsPortOf(ends),
      suffix,
      witness,
    });
    return { combination, lab, witness, endedMs: Date.now() };
  } catch (error) {
    await lab[Symbol.asyncDispose]();
    throw error;
  }
}

/** How many labs have traffic at once: what they do is mostly waiting. */
const parallelLabs = 12;

/** Runs all of them, some at a time; each can be awaited by itself. */
export function runExperiments(): ReadonlyMap<Combination, Promise<Experiment>> {
  const waiting = combinations.map((combination) => ({
    combination,
    ...Promise.withResolvers<Experiment>(),
  }));
  const results = new Map(waiting.map(({ combination, promise }) => [combination, promise]));
  // Whoever awaits a result sees its error; until then it is nobody's.
  for (const promise of results.values()) promise.catch(() => undefined);
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      await runExperiment(next.combination).then(next.resolve, next.reject);
  };
  for (let i = 0; i < parallelLabs; i++) void work();
  return results;
}
