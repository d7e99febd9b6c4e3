import type { WitnessedHandshake } from '../../lab/witnessed-handshake.js';
import type { Handshake } from '../../stack/answers.js';
import { Comparer, type Pair } from '../comparer.js';
import type { AccuracyCase } from './cases.js';
import { clientName, type Experiment, serverName } from './experiment.js';
import type { Truth } from './truth.js';

export interface Comparison {
  readonly clientLatency: readonly Pair[];
  readonly serverLatency: readonly Pair[];
  readonly acceptWait: readonly Pair[];
  /** Against tcp.analysis.initial_rtt of the same side, where that side saw one SYN only (from the latest SYN, it says nothing else). */
  readonly initialRtt: readonly Pair[];
  readonly synRetransmits: readonly number[];
  readonly synAckRetransmits: readonly number[];
  /** What does not agree, in sentences; empty if all is well. */
  readonly problems: readonly string[];
}

class HandshakeComparer extends Comparer {
  readonly clientLatency: Pair[] = [];
  readonly serverLatency: Pair[] = [];
  readonly acceptWait: Pair[] = [];
  readonly initialRtt: Pair[] = [];
  readonly synRetransmits: number[] = [];
  readonly synAckRetransmits: number[] = [];
}

function compareClient(
  comparer: HandshakeComparer,
  outcome: Handshake['outcome'],
  record: Handshake,
  truth: Truth,
  experiment: Experiment,
): void {
  const subject = `client ${truth.clientPort}`;
  comparer.equal(`${subject} outcome`, record.outcome, outcome);
  comparer.time(`${subject} latencyUs`, comparer.clientLatency, record.latencyUs, truth.clientLatency);
  comparer.equal(`${subject} synRetransmits`, record.synRetransmits, truth.synRetransmits);
  comparer.synRetransmits.push(truth.synRetransmits);
  comparer.equal(`${subject} acceptWaitUs`, record.acceptWaitUs, null);
  comparer.equal(`${subject} local address`, record.local.address, experiment.clientAddress);
  comparer.equal(
    `${subject} remote`,
    `${record.remote.address} ${record.remote.port}`,
    `${experiment.serverAddress} ${truth.serverPort}`,
  );
  comparer.equal(`${subject} netns`, record.netns, experiment.clientNetns);
  comparer.equal(
    `${subject} process`,
    `${record.process?.name} ${record.process?.pid}`,
    `${clientName} ${experiment.clientPid}`,
  );
  if (outcome !== 'established') return;
  comparer.equal(`${subject} clientIsn`, record.clientIsn, truth.clientIsn);
  comparer.equal(`${subject} serverIsn`, record.serverIsn, truth.serverIsn);
}

function compareServer(
  comparer: HandshakeComparer,
  outcome: Handshake['outcome'],
  record: Handshake,
  truth: Truth,
  experiment: Experiment,
): void {
  const subject = `server of ${truth.clientPort}`;
  comparer.equal(`${subject} outcome`, record.outcome, outcome);
  comparer.time(`${subject} latencyUs`, comparer.serverLatency, record.latencyUs, truth.serverLatency);
  comparer.time(`${subject} acceptWaitUs`, comparer.acceptWait, record.acceptWaitUs, truth.acceptWait);
  comparer.equal(`${subject} synAckRetransmits`, record.synAckRetransmits, truth.synAckRetransmits);
  comparer.synAckRetransmits.push(truth.synAckRetransmits ?? 0);
  comparer.equal(
    `${subject} local`,
    `${record.local.address} ${record.local.port}`,
    `${experiment.serverAddress} ${truth.serverPort}`,
  );
  if (outcome !== 'established') return;
  // Of a request that came to nothing the namespace is not always known.
  comparer.equal(`${subject} netns`, record.netns, experiment.serverNetns);
  comparer.equal(
    `${subject} process`,
    `${record.process?.name} ${record.process?.pid}`,
    `${serverName} ${experiment.serverPid}`,
  );
  comparer.equal(`${subject} clientIsn`, record.clientIsn, truth.clientIsn);
  comparer.equal(`${subject} serverIsn`, record.serverIsn, truth.serverIsn);
}

function compareWitness(
  comparer: HandshakeComparer,
  side: string,
  witness: WitnessedHandshake,
  record: Handshake,
): void {
  const subject = `tshark at the ${side} of ${witness.client.port}`;
  if (record.role === 'client')
    comparer.equal(`${subject}: SYN retransmissions`, witness.synRetransmissions, record.synRetransmits);
  else if (record.outcome === 'established')
    comparer.equal(
      `${subject}: SYN-ACK retransmissions`,
      witness.synAckRetransmissions,
      record.synAckRetransmits,
    );
  const { initialRttUs } = witness;
  if (record.outcome !== 'established' || witness.syns !== 1) return;
  const truth = initialRttUs === null ? null : { leastUs: initialRttUs, mostUs: initialRttUs };
  comparer.time(`${subject}: latencyUs beside initial_rtt`, comparer.initialRtt, record.latencyUs, truth);
}

/** Holds what REST reported of one case against the truth and against tshark. */
export function compare(
  testCase: AccuracyCase,
  experiment: Experiment,
  records: readonly Handshake[],
): Comparison {
  const clients = records.filter(({ role }) => role === 'client');
  const servers = records.filter(({ role }) => role === 'server');
  const comparer = new HandshakeComparer();
  const { truths, witnessed } = experiment;
  comparer.equal('number of client records', clients.length, truths.length);
  comparer.equal('number of server records', servers.length, testCase.server === null ? 0 : truths.length);
  if (records.length === 0) return comparer;
  for (const truth of truths) {
    const client = comparer.only(
      `client record of ${truth.clientPort}`,
      clients,
      ({ local }) => local.port === truth.clientPort,
    );
    if (client) compareClient(comparer, testCase.client, client, truth, experiment);
    if (testCase.server === null) continue;
    const server = comparer.only(
      `server record of ${truth.clientPort}`,
      servers,
      ({ remote }) => remote.port === truth.clientPort,
    );
    if (server) compareServer(comparer, testCase.server, server, truth, experiment);
  }
  comparer.equal("handshakes that tshark saw on the client's side", witnessed.a.length, truths.length);
  for (const witness of witnessed.a) {
    const record = comparer.only(
      `client record of tshark's ${witness.client.port}`,
      clients,
      ({ local }) => local.port === witness.client.port,
    );
    if (record) compareWitness(comparer, 'client', witness, record);
  }
  const answered = witnessed.b.filter(({ synAcks }) => synAcks > 0);
  comparer.equal("answered handshakes that tshark saw on the server's side", answered.length, servers.length);
  for (const witness of answered) {
    const record = comparer.only(
      `server record of tshark's ${witness.client.port}`,
      servers,
      ({ remote }) => remote.port === witness.client.port,
    );
    if (record) compareWitness(comparer, 'server', witness, record);
  }
  return comparer;
}
