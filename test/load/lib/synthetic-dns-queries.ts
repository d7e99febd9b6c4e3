import { create, toBinary } from '@bufbuild/protobuf';
import { DnsOutcome, DnsQueryColumnsSchema, DnsSide, DnsTransport } from '@synscope/protocol';
import { addresses, column, commonColumns, type Draw, isFailed, latencyUs } from './synthetic-records.ts';

/** As many names as a busy host asks for in a batch, each of some 30 characters. */
const NAMES_PER_BATCH = 200;

const A = 1;
const AAAA = 28;

export function dnsQueryColumns(draw: Draw): Uint8Array {
  const { random } = draw;
  const names = Array.from(
    { length: NAMES_PER_BATCH },
    () => `host-${Math.floor(random() * 1e6)}.zone-${Math.floor(random() * 100)}.example.com`,
  );
  return toBinary(
    DnsQueryColumnsSchema,
    create(DnsQueryColumnsSchema, {
      ...commonColumns(draw),
      side: column(draw, (row) => (row % 2 ? DnsSide.CLIENT : DnsSide.RESOLVER)),
      outcome: column(draw, (row) => (isFailed(row) ? DnsOutcome.UNANSWERED : DnsOutcome.ANSWERED)),
      transport: column(draw, () => DnsTransport.UDP),
      clientAddress: addresses(draw, 1),
      serverAddress: addresses(draw, 2),
      clientPort: column(draw, () => 32_768 + Math.floor(random() * 28_000)),
      serverPort: column(draw, () => 53),
      elapsedUs: column(draw, (row) => latencyUs(draw, row)).map(BigInt),
      queryType: column(draw, (row) => (row % 2 ? A : AAAA)),
      queryClass: column(draw, () => 1),
      messageId: column(draw, () => Math.floor(random() * 65_536)),
      responseCodePlusOne: column(draw, (row) => (isFailed(row) ? 0 : 1)),
      answerCountPlusOne: column(draw, (row) => (isFailed(row) ? 0 : 3)),
      lookupId: column(draw, (row) => (row % 2 ? 1 + Math.floor(random() * 2 ** 52) : 0)).map(BigInt),
      attempt: column(draw, (row) => row % 2),
      queryNameIndex: column(draw, () => Math.floor(random() * NAMES_PER_BATCH)),
      queryNames: names,
    }),
  );
}
