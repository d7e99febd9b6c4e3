import { z } from 'zod';

/** An IPv4 or IPv6 address without a zone. */
export const addressSchema = z
  .union([z.ipv4(), z.ipv6()], 'expected an IPv4 or IPv6 address')
  .meta({ description: 'IPv4 or IPv6 address.', example: '192.0.2.7' });

/** An address prefix such as 10.0.0.0/8 or fd00::/8. */
export const prefixSchema = z
  .union([z.cidrv4(), z.cidrv6()], 'expected an address prefix such as 10.0.0.0/8 or fd00::/8')
  .meta({ description: 'IPv4 or IPv6 prefix.', example: '10.0.0.0/8' });

export const addressOrPrefixSchema = z
  .union(
    [addressSchema, prefixSchema],
    'expected an address such as 192.0.2.7 or a prefix such as 192.0.2.0/24',
  )
  .meta({ description: 'Address or prefix.', example: '192.0.2.0/24' });

export const portSchema = z
  .int('expected a port from 0 to 65535')
  .min(0, 'expected a port from 0 to 65535')
  .max(65_535, 'expected a port from 0 to 65535');

/** One end of a connection, in an answer. */
export const endpointSchema = z
  .strictObject({
    address: z.string().meta({ description: 'IPv4 or IPv6.', example: '192.0.2.7' }),
    port: portSchema.meta({ description: '0–65535.', example: 443 }),
  })
  .meta({ id: 'Endpoint', description: 'One end of a connection.' });
