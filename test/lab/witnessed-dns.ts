import type { SocketAddress } from './relay.ts';

/** One DNS message as tshark reads it from a capture on one side's device; over TCP when its last segment came. */
export interface WitnessedDnsMessage {
  /** Microseconds since the Unix epoch: for differences only. */
  readonly timeUs: number;
  readonly source: SocketAddress;
  readonly destination: SocketAddress;
  readonly transport: 'udp' | 'tcp';
  readonly id: number;
  readonly response: boolean;
  /** As tshark prints it; undefined without a question. */
  readonly name: string | undefined;
  readonly type: number | undefined;
  readonly responseCode: number | undefined;
  readonly answerCount: number;
  readonly truncated: boolean;
  /** dns.time of a response in microseconds: from the query that tshark takes it for the answer of. */
  readonly timeSinceQueryUs: number | undefined;
  /** tshark calls it a retransmission. */
  readonly retransmission: boolean;
}

export const dnsFields = [
  'frame.time_epoch',
  'ip.src',
  'ipv6.src',
  'ip.dst',
  'ipv6.dst',
  'udp.srcport',
  'udp.dstport',
  'tcp.srcport',
  'tcp.dstport',
  'dns.id',
  'dns.flags.response',
  'dns.qry.name',
  'dns.qry.type',
  'dns.flags.rcode',
  'dns.count.answers',
  'dns.flags.truncated',
  'dns.time',
  'dns.retransmission',
] as const;

type Field = (typeof dnsFields)[number];

function optionalNumber(text: string | undefined): number | undefined {
  return text ? Number(text) : undefined;
}

/** A segment may hold several messages, whose fields tshark joins by commas. */
function messagesOf(row: readonly string[]): readonly WitnessedDnsMessage[] {
  const column = (field: Field) => row[dnsFields.indexOf(field)] ?? '';
  const ids = column('dns.id').split(',').filter(Boolean);
  return ids.map((id, index) => {
    const field = (name: Field) => column(name).split(',')[index];
    const port = (end: 'src' | 'dst') => Number(column(`udp.${end}port`) || column(`tcp.${end}port`));
    return {
      timeUs: Number(column('frame.time_epoch')) * 1e6,
      source: { address: column('ip.src') || column('ipv6.src'), port: port('src') },
      destination: { address: column('ip.dst') || column('ipv6.dst'), port: port('dst') },
      transport: column('udp.srcport') ? 'udp' : 'tcp',
      id: Number(id),
      response: field('dns.flags.response') === '1',
      name: field('dns.qry.name') || undefined,
      type: optionalNumber(field('dns.qry.type')),
      responseCode: optionalNumber(field('dns.flags.rcode')),
      answerCount: Number(field('dns.count.answers')),
      truncated: field('dns.flags.truncated') === '1',
      timeSinceQueryUs: column('dns.time') ? Number(field('dns.time')) * 1e6 : undefined,
      retransmission: column('dns.retransmission') !== '',
    };
  });
}

/** Of the rows that tshark prints of `dnsFields`. */
export function witnessedDnsMessages(rows: readonly (readonly string[])[]): readonly WitnessedDnsMessage[] {
  return rows.flatMap(messagesOf);
}
