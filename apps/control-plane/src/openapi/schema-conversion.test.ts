import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convertSchema } from './schema-conversion.js';

describe('a schema in the OpenAPI document', () => {
  const plain = z.strictObject({ a: z.string().nullable() }).meta({ id: 'ConversionPlain' });
  const withDefault = z.strictObject({ n: z.int().default(3), plain }).meta({ id: 'ConversionDefault' });
  const outer = z.strictObject({ inner: withDefault }).meta({ id: 'ConversionOuter' });

  it('keeps its name in answers', () => {
    const converted = convertSchema(outer, 'output');
    expect(converted?.schema).toEqual({ $ref: '#/$defs/ConversionOuter' });
    expect(Object.keys(converted?.components ?? {}).sort()).toEqual([
      'ConversionDefault',
      'ConversionOuter',
      'ConversionPlain',
    ]);
    expect(converted?.components['ConversionDefault']).toMatchObject({ required: ['n', 'plain'] });
    expect(converted?.components['ConversionPlain']).toMatchObject({
      properties: { a: { type: ['string', 'null'] } },
    });
  });

  it('has another name in requests if it looks different there, as have those that hold it', () => {
    const converted = convertSchema(outer, 'input');
    expect(converted?.schema).toEqual({ $ref: '#/$defs/ConversionOuterInput' });
    expect(Object.keys(converted?.components ?? {}).sort()).toEqual([
      'ConversionDefaultInput',
      'ConversionOuterInput',
      'ConversionPlain',
    ]);
    expect(converted?.components['ConversionDefaultInput']).toMatchObject({ required: ['plain'] });
    expect(converted?.components['ConversionOuterInput']).toMatchObject({
      properties: { inner: { $ref: '#/$defs/ConversionDefaultInput' } },
    });
  });

  it('is left to others if it is not one of zod', () => {
    expect(convertSchema({ '~standard': {} }, 'input')).toBeUndefined();
  });
});
