import { create, toBinary } from '@bufbuild/protobuf';
import { HandshakeColumnsSchema, HandshakeOutcome, HandshakeRole } from '@synscope/protocol';
import { addresses, column, commonColumns, type Draw, isFailed, latencyUs } from './synthetic-records.ts';

export function handshakeColumns(draw: Draw): Uint8Array {
  const { random } = draw;
  return toBinary(
    HandshakeColumnsSchema,
    create(HandshakeColumnsSchema, {
      ...commonColumns(draw),
      role: column(draw, (row) => (row % 2 ? HandshakeRole.CLIENT : HandshakeRole.SERVER)),
      outcome: column(draw, (row) =>
        isFailed(row) ? HandshakeOutcome.TIMED_OUT : HandshakeOutcome.ESTABLISHED,
      ),
      localAddress: addresses(draw, 1),
      remoteAddress: addresses(draw, 2),
      localPort: column(draw, () => 32_768 + Math.floor(random() * 28_000)),
      remotePort: column(draw, (row) => [443, 5_432, 80, 6_379][row % 4] ?? 443),
      latencyUsPlusOne: column(draw, (row) => 1 + latencyUs(draw, row)).map(BigInt),
      acceptWaitUsPlusOne: column(draw, (row) => (row % 2 ? 0 : 1 + Math.floor(random() * 500))).map(BigInt),
      srttUsPlusOne: column(draw, () => 1 + Math.floor(100 + random() * 5_000)),
      synRetransmitsPlusOne: column(draw, (row) => (row % 2 ? 1 : 0)),
      synAckRetransmitsPlusOne: column(draw, (row) => (row % 2 ? 0 : 1)),
      clientIsnPlusOne: column(draw, () => 1 + Math.floor(random() * 2 ** 32)).map(BigInt),
      serverIsnPlusOne: column(draw, () => 1 + Math.floor(random() * 2 ** 32)).map(BigInt),
    }),
  );
}
