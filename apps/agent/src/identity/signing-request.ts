import { createPrivateKey, createPublicKey, sign } from 'node:crypto';

// Tags of DER, ITU-T X.690.
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OBJECT_IDENTIFIER = 0x06;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
/** [0], constructed: the attributes, of which there are none. */
const ATTRIBUTES = 0xa0;

/** 2.5.4.3, X.520. */
const COMMON_NAME = Buffer.from('550403', 'hex');
/** 1.2.840.10045.4.3.2, RFC 5758 §3.2. */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');

/**
 * A PKCS #10 request (RFC 2986 §4, DER) for this P-256 private key (PEM). The subject is a formality: the control plane chooses its own.
 *
 * Written by hand because it is these few lines: an X.509 library for them takes 5 MB of every idle agent for as long as it runs.
 */
export function createSigningRequest(privateKeyPem: string): Buffer {
  const privateKey = createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const info = element(
    SEQUENCE,
    element(INTEGER, Buffer.of(0)),
    element(
      SEQUENCE,
      element(
        SET,
        element(
          SEQUENCE,
          element(OBJECT_IDENTIFIER, COMMON_NAME),
          element(UTF8_STRING, Buffer.from('synscope-agent')),
        ),
      ),
    ),
    publicKey,
    element(ATTRIBUTES),
  );
  const signature = sign('sha256', info, { key: privateKey, dsaEncoding: 'der' });
  return element(
    SEQUENCE,
    info,
    element(SEQUENCE, element(OBJECT_IDENTIFIER, ECDSA_WITH_SHA256)),
    // In front: how many bits of its last byte are unused.
    element(BIT_STRING, Buffer.of(0), signature),
  );
}

function element(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.of(tag), lengthOctets(content.length), content]);
}

function lengthOctets(length: number): Buffer {
  if (length < 0x80) return Buffer.of(length);
  return length < 0x100 ? Buffer.of(0x81, length) : Buffer.of(0x82, length >> 8, length & 0xff);
}
