import { z } from 'zod';
import { numberedNames } from './numbered-names.js';

/** IANA, "Domain Name System (DNS) Parameters", registry "DNS RCODEs", as of 2026; what it has no name for is RCODEn here. */
const RESPONSE_CODE_NAMES: Readonly<Record<number, string>> = {
  0: 'NOERROR',
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
  11: 'DSOTYPENI',
  // BADSIG in a TSIG record; in a message's header and OPT record it is this one.
  16: 'BADVERS',
  17: 'BADKEY',
  18: 'BADTIME',
  19: 'BADMODE',
  20: 'BADNAME',
  21: 'BADALG',
  22: 'BADTRUNC',
  23: 'BADCOOKIE',
};

/** Twelve bits: four of the header, eight of EDNS (RFC 6891 §6.1.3). */
export const responseCodes = numberedNames(RESPONSE_CODE_NAMES, 'RCODE', 4_095);

/** `servfail` and `RCODE2` are read as `SERVFAIL`. */
export const responseCodeSchema = z
  .string()
  .transform((text, context) => {
    const number = responseCodes.numberOf(text);
    if (number !== null) return responseCodes.nameOf(number);
    context.addIssue('expected a response code such as SERVFAIL, or RCODE2 by its number from 0 to 4095');
    return z.NEVER;
  })
  .pipe(z.string())
  .meta({
    description: 'Mnemonic of the IANA registry "DNS RCODEs", or RCODEn.',
    example: 'SERVFAIL',
  });
