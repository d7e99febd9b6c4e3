/** DNS queries of chosen kinds, and what the probe must make of them. */
import { DnsFlag } from '@synscope/probe-wire';
import type { Outcome } from './dns-records.js';
import {
  A,
  AAAA,
  type AnswerOptions,
  answerTo,
  BADVERS,
  NXDOMAIN,
  prefixed,
  type Question,
  queryMessage,
  SERVFAIL,
} from './dns-traffic.js';

/** Where it stands among the scenario's commands. */
export type Step = number;

/** How a query ends on one side. */
export interface Ending {
  readonly outcome: Outcome;
  /** −1 without an answer. */
  readonly responseCode: number;
  readonly flags: number;
}

export interface ExpectedQuery {
  readonly question: Question;
  readonly id: number;
  readonly transport: 'udp' | 'tcp';
  readonly server: string;
  readonly serverPort: number;
  /** Of the client: equal for queries of one lookup. */
  readonly lookup: string;
  readonly attempt: number;
  /** Undefined: that side reports nothing. */
  readonly client: Ending | undefined;
  readonly resolver: Ending | undefined;
  /** Addresses in the answer. */
  readonly addresses: number;
  /** The client sends it, the resolver has it, answers it, and the client has the answer. */
  readonly sent: Step;
  readonly taken: Step;
  readonly replied: Step | undefined;
  readonly received: Step | undefined;
}

export const answered = (responseCode = 0, flags = 0): Ending => ({
  outcome: 'answered',
  responseCode,
  flags,
});
export const late = (flags: number): Ending => ({ outcome: 'late', responseCode: 0, flags });
export const unanswered: Ending = { outcome: 'unanswered', responseCode: -1, flags: 0 };

/** How the two sides' sockets speak IP. */
const FAMILIES = {
  ipv4: { socket: 4, bound: '127.0.0.1', asked: '127.0.0.1', server: '127.0.0.1' },
  ipv6: { socket: 6, bound: '::1', asked: '::1', server: '::1' },
  /** IPv6 sockets with IPv4 packets (RFC 4291 §2.5.5.2), as in Java. */
  mapped: { socket: 6, bound: '::', asked: '::ffff:127.0.0.1', server: '127.0.0.1' },
} as const;

type Family = keyof typeof FAMILIES;

/** Collects a scenario's commands. */
export class Stage {
  readonly commands: string[] = [];
  private ids = 0x1000;

  /** `suffix`: below it all names of the scenario. */
  constructor(readonly suffix: string) {}

  question(label = 'www', type = A): Question {
    return { name: `${label}.${this.suffix}`, type };
  }

  nextId(): number {
    return ++this.ids;
  }

  client(...commands: readonly string[]): Step {
    this.commands.push(...commands.map((command) => `client ${command}`));
    return this.commands.length - 1;
  }

  resolver(...commands: readonly string[]): Step {
    this.commands.push(...commands.map((command) => `resolver ${command}`));
    return this.commands.length - 1;
  }

  /** A resolver's socket s, and a client's c. */
  datagramSockets({ family = 'ipv4', connected = true, port = 53 }: DatagramOptions = {}): Datagrams {
    const { socket, bound, asked, server } = FAMILIES[family];
    this.resolver(`open s udp${socket}`, `bind s ${bound} ${port}`);
    this.client(`open c udp${socket}`);
    if (connected) this.client(`connect c ${asked} ${port}`);
    return new Datagrams(this, server, port, connected ? '' : ` ${asked} ${port}`);
  }

  /** A resolver's socket l that listens. */
  listener(family: Family = 'ipv4'): void {
    const { socket, bound } = FAMILIES[family];
    this.resolver(`open l tcp${socket}`, `bind l ${bound} 53`);
  }

  /** A connection to the listener, c at the client, s at the resolver. */
  connection(family: Family = 'ipv4', client = 'c', resolver = 's'): void {
    const { socket, asked } = FAMILIES[family];
    this.client(`open ${client} tcp${socket}`, `connect ${client} ${asked} 53`);
    this.resolver(`accept ${resolver} l`);
  }
}

interface DatagramOptions {
  readonly family?: Family;
  readonly connected?: boolean;
  readonly port?: number;
}

/** A query on its way. */
interface Asked {
  readonly question: Question;
  readonly id: number;
  readonly message: Buffer;
  readonly sent: Step;
  readonly taken: Step;
}

type Expectation = Partial<ExpectedQuery>;

/** Queries and answers over the sockets c and s. */
class Datagrams {
  constructor(
    private readonly stage: Stage,
    private readonly server: string,
    private readonly serverPort: number,
    private readonly destination: string,
  ) {}

  ask(question: Question, id = this.stage.nextId(), message = queryMessage(id, question)): Asked {
    const sent = this.stage.client(`send c ${message.toString('hex')}${this.destination}`);
    return { question, id, message, sent, taken: this.stage.resolver('receive s') };
  }

  /** What is expected of a query that nobody answers. */
  leave({ question, id, sent, taken }: Asked, expected: Expectation = {}): ExpectedQuery {
    return {
      ...{ question, id, sent, taken, transport: 'udp', server: this.server, serverPort: this.serverPort },
      ...{ lookup: question.name, attempt: 1, client: unanswered, resolver: unanswered, addresses: 0 },
      ...{ replied: undefined, received: undefined },
      ...expected,
    };
  }

  answer(asked: Asked, options: AnswerOptions = {}, expected: Expectation = {}): ExpectedQuery {
    const replied = this.stage.resolver(`reply s ${answerTo(asked.message, options).toString('hex')}`);
    const received = this.stage.client('receive c');
    const end = answered(options.responseCode);
    return this.leave(asked, {
      ...{ replied, received, client: end, resolver: end, addresses: options.addresses ?? 0 },
      ...expected,
    });
  }
}

type Scenario = (stage: Stage) => ExpectedQuery[];

/** A and AAAA at once from one socket, as glibc does. */
const pair =
  (options: DatagramOptions): Scenario =>
  (stage) => {
    const datagrams = stage.datagramSockets(options);
    const ipv4 = datagrams.ask(stage.question('www', A));
    const ipv6 = datagrams.ask(stage.question('www', AAAA));
    return [datagrams.answer(ipv4, { addresses: 2 }), datagrams.answer(ipv6)];
  };

const withAnswer =
  (options: AnswerOptions, expected: Expectation = {}): Scenario =>
  (stage) => {
    const datagrams = stage.datagramSockets();
    return [datagrams.answer(datagrams.ask(stage.question()), options, expected)];
  };

/** An answer that takes several packets. */
const fragmented =
  (family: Family): Scenario =>
  (stage) => {
    stage.client('mtu 1500');
    const datagrams = stage.datagramSockets({ family });
    return [datagrams.answer(datagrams.ask(stage.question()), { addresses: 250 })];
  };

/** The same query again, with the same id from the same socket, as glibc does when no answer comes. */
const askedAgain: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const first = datagrams.ask(stage.question());
  stage.client('wait 200');
  const second = datagrams.ask(first.question, first.id);
  return [
    datagrams.answer(first, {}, { client: late(DnsFlag.askedAgain) }),
    datagrams.leave(second, { attempt: 2 }),
  ];
};

const askedAgainAnsweredTwice: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const first = datagrams.ask(stage.question());
  stage.client('wait 100');
  const second = datagrams.ask(first.question, first.id);
  return [
    datagrams.answer(first, {}, { client: late(DnsFlag.askedAgain) }),
    datagrams.answer(second, { addresses: 1 }, { attempt: 2 }),
  ];
};

/** Sooner than any stub resolver asks again: two lookups. */
const equalAtOnce: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const first = datagrams.ask(stage.question());
  const second = datagrams.ask(first.question, first.id);
  return [
    datagrams.answer(first, { addresses: 1 }),
    datagrams.answer(second, { addresses: 2 }, { lookup: 'the second' }),
  ];
};

const answerAfterClose =
  (family: Family): Scenario =>
  (stage) => {
    const datagrams = stage.datagramSockets({ family, connected: false });
    const asked = datagrams.ask(stage.question());
    stage.client('close c', 'wait 50');
    const replied = stage.resolver(`reply s ${answerTo(asked.message).toString('hex')}`);
    return [datagrams.leave(asked, { replied, client: late(DnsFlag.socketClosed), resolver: answered() })];
  };

const answerWithAnotherQuestion: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const asked = datagrams.ask(stage.question());
  const other = answerTo(queryMessage(asked.id, stage.question('other')));
  const otherType = answerTo(queryMessage(asked.id, stage.question('www', AAAA)));
  for (const answer of [other, otherType]) {
    stage.resolver(`reply s ${answer.toString('hex')}`);
    stage.client('receive c');
  }
  return [datagrams.leave(asked)];
};

const answerFromAnotherAddress: Scenario = (stage) => {
  const datagrams = stage.datagramSockets({ connected: false });
  stage.client('bind c 127.0.0.1 40053');
  stage.resolver('open o udp4', 'bind o 127.0.0.2 53');
  const asked = datagrams.ask(stage.question());
  stage.resolver(`send o ${answerTo(asked.message).toString('hex')} 127.0.0.1 40053`);
  stage.client('receive c');
  return [datagrams.leave(asked)];
};

/** Another server after a failure: attempts of one lookup. */
const failureThenAnother: Scenario = (stage) => {
  const datagrams = stage.datagramSockets({ connected: false });
  const first = datagrams.answer(datagrams.ask(stage.question()), { responseCode: SERVFAIL });
  const second = datagrams.answer(datagrams.ask(stage.question()), { addresses: 1 }, { attempt: 2 });
  return [first, second];
};

const severalQuestions: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const id = stage.nextId();
  const message = queryMessage(id, stage.question(), stage.question('second'));
  const end = answered(0, DnsFlag.severalQuestions);
  return [datagrams.answer(datagrams.ask(stage.question(), id, message), {}, { client: end, resolver: end })];
};

/** What has the shape of an answer asks nothing. */
const answerToTheServer: Scenario = (stage) => {
  const datagrams = stage.datagramSockets();
  const id = stage.nextId();
  datagrams.ask(stage.question(), id, answerTo(queryMessage(id, stage.question())));
  return [];
};

/** Resolvers of old ask from their own port. */
const bothPorts: Scenario = (stage) => {
  stage.resolver('open s udp4', 'bind s 127.0.0.2 53');
  stage.client('open c udp4', 'bind c 127.0.0.1 53', 'connect c 127.0.0.2 53');
  const datagrams = new Datagrams(stage, '127.0.0.2', 53, '');
  return [datagrams.answer(datagrams.ask(stage.question()))];
};

const multicast: Scenario = (stage) => {
  stage.resolver('open s udp4', 'bind s 0.0.0.0 5353', 'multicast s 224.0.0.251');
  stage.client('open c udp4', 'multicast c 224.0.0.251');
  const datagrams = new Datagrams(stage, '224.0.0.251', 5353, ' 224.0.0.251 5353');
  const asked = datagrams.ask(stage.question());
  stage.resolver(`reply s ${answerTo(asked.message).toString('hex')}`);
  stage.client('receive c');
  return [];
};

const hex = (...messages: readonly Buffer[]) => prefixed(...messages).toString('hex');

/** A query over the connection of `Stage.connection`; without more, one that nobody answers. */
const overTcp = (
  question: Question,
  id: number,
  expected: Pick<ExpectedQuery, 'sent' | 'taken'> & Expectation,
): ExpectedQuery => ({
  ...{
    question,
    id,
    transport: 'tcp',
    server: '127.0.0.1',
    serverPort: 53,
    lookup: question.name,
    attempt: 1,
  },
  ...{ client: unanswered, resolver: unanswered, addresses: 0, replied: undefined, received: undefined },
  ...expected,
});

const bothAnswered = { client: answered(), resolver: answered() };

const truncatedThenTcp: Scenario = (stage) => {
  stage.listener();
  const datagrams = stage.datagramSockets();
  const end = answered(0, DnsFlag.truncated);
  const asked = datagrams.ask(stage.question());
  const truncated = datagrams.answer(asked, { truncated: true }, { client: end, resolver: end });
  stage.connection('ipv4', 'd', 't');
  const id = stage.nextId();
  const message = queryMessage(id, asked.question);
  const sent = stage.client(`send d ${hex(message)}`);
  const taken = stage.resolver('receive t');
  const replied = stage.resolver(`send t ${hex(answerTo(message, { addresses: 30 }))}`);
  const received = stage.client('receive d');
  const steps = { sent, taken, replied, received };
  return [truncated, overTcp(asked.question, id, { ...steps, ...bothAnswered, addresses: 30, attempt: 2 })];
};

/**
 * Two queries in three segments that end within a length and within a name. The answers come in the other order, the second begins in the segment
 * where the first ends.
 */
const pipelined =
  (family: Family): Scenario =>
  (stage) => {
    stage.listener(family);
    stage.connection(family);
    const { server } = FAMILIES[family];
    const [first, second] = [stage.question('first'), stage.question('second', AAAA)];
    const [firstId, secondId] = [stage.nextId(), stage.nextId()];
    const [firstQuery, secondQuery] = [queryMessage(firstId, first), queryMessage(secondId, second)];
    const queries = hex(firstQuery, secondQuery);
    stage.client(`send c ${queries.slice(0, 2)}`);
    stage.resolver('receive s');
    stage.client(`send c ${queries.slice(2, 40)}`);
    stage.resolver('receive s');
    const sent = stage.client(`send c ${queries.slice(40)}`);
    const taken = stage.resolver('receive s');
    const answers = hex(answerTo(secondQuery, { addresses: 40 }), answerTo(firstQuery, { addresses: 1 }));
    const begun = stage.resolver(`send s ${answers.slice(0, -60)}`);
    stage.client('receive c');
    const finished = stage.resolver(`send s ${answers.slice(-60)}`);
    const received = stage.client('receive c');
    const common = { ...bothAnswered, server, sent, taken, received };
    return [
      overTcp(first, firstId, { ...common, replied: finished, addresses: 1 }),
      overTcp(second, secondId, { ...common, replied: begun, addresses: 40 }),
    ];
  };

/** Query and answer each reach the other side by their retransmission, after the probe has seen them once. */
const retransmitted: Scenario = (stage) => {
  stage.listener();
  stage.connection();
  const question = stage.question();
  const id = stage.nextId();
  const query = queryMessage(id, question);
  stage.resolver('deaf s');
  const sent = stage.client(`send c ${hex(query)}`);
  stage.resolver('hear s');
  const taken = stage.resolver('receive s');
  stage.client('deaf c');
  const replied = stage.resolver(`send s ${hex(answerTo(query))}`);
  stage.client('hear c');
  const received = stage.client('receive c');
  return [overTcp(question, id, { ...bothAnswered, sent, taken, replied, received })];
};

/** Of two queries one is answered; then the client goes. */
const closedConnection: Scenario = (stage) => {
  stage.listener();
  stage.connection();
  const [first, second] = [stage.question('first'), stage.question('second')];
  const [firstId, secondId] = [stage.nextId(), stage.nextId()];
  const query = queryMessage(firstId, first);
  const sent = stage.client(`send c ${hex(query, queryMessage(secondId, second))}`);
  const taken = stage.resolver('receive s');
  const replied = stage.resolver(`send s ${hex(answerTo(query))}`);
  const received = stage.client('receive c');
  stage.client('close c');
  return [
    overTcp(first, firstId, { ...bothAnswered, sent, taken, replied, received }),
    overTcp(second, secondId, { sent, taken }),
  ];
};

const withoutQuestion = answered(0, DnsFlag.noQuestionInAnswer);

/** By their names, which are labels of the queries' names as well. */
export const dnsScenarios = {
  connected: pair({}),
  unconnected: pair({ connected: false }),
  ipv6: pair({ family: 'ipv6' }),
  'ipv6-unconnected': pair({ family: 'ipv6', connected: false }),
  mapped: pair({ family: 'mapped' }),
  'mapped-unconnected': pair({ family: 'mapped', connected: false }),
  'other-port': pair({ port: 5300 }),
  'both-ports': bothPorts,
  fragmented: fragmented('ipv4'),
  'fragmented-ipv6': fragmented('ipv6'),
  nxdomain: withAnswer({ responseCode: NXDOMAIN }),
  badvers: withAnswer({ responseCode: BADVERS }),
  'without-question': withAnswer(
    { withoutQuestion: true },
    { client: withoutQuestion, resolver: withoutQuestion },
  ),
  'several-questions': severalQuestions,
  'asked-again': askedAgain,
  'asked-again-answered-twice': askedAgainAnsweredTwice,
  'equal-at-once': equalAtOnce,
  'failure-then-another': failureThenAnother,
  'answer-after-close': answerAfterClose('ipv4'),
  'answer-after-close-ipv6': answerAfterClose('ipv6'),
  'answer-after-close-mapped': answerAfterClose('mapped'),
  'answer-with-another-question': answerWithAnotherQuestion,
  'answer-from-another-address': answerFromAnotherAddress,
  'answer-to-the-server': answerToTheServer,
  multicast,
  pipelined: pipelined('ipv4'),
  'pipelined-ipv6': pipelined('ipv6'),
  'pipelined-mapped': pipelined('mapped'),
  retransmitted,
  'closed-connection': closedConnection,
  // Last: by then an emulator has translated what opens connections, and the lookup goes on within its moment.
  'truncated-then-tcp': truncatedThenTcp,
} satisfies Record<string, Scenario>;

export type DnsScenarioName = keyof typeof dnsScenarios;

/** Watched in all scenarios. */
export const SCENARIO_PORTS = [53, 5300, 5353];

/** A scenario with its commands; `root`: the name under which all of its names are. */
export function stageScenario(
  name: DnsScenarioName,
  root: string,
): { suffix: string; commands: readonly string[]; expected: readonly ExpectedQuery[] } {
  const stage = new Stage(`${name}.${root}`);
  const expected = dnsScenarios[name](stage);
  return { suffix: stage.suffix, commands: stage.commands, expected };
}
