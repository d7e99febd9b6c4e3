import { Body, Controller, Delete, Get, Module, Param, Post } from '@nestjs/common';
import { DiscoveryModule, NestFactory } from '@nestjs/core';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Public, RequireRole } from '../access/require-role.js';
import { fieldErrors } from './field-errors.js';
import { RouteDeclarations } from './route-declarations.js';

describe('a route', () => {
  it('stops the start if it does not say who may call it, or reads an input without a schema', async () => {
    @Controller('things')
    class ThingController {
      @Get()
      @Public()
      list(): string[] {
        return [];
      }

      @Delete(':id')
      @RequireRole('admin')
      delete(@Param('id') id: string): string {
        return id;
      }

      @Post()
      create(@Body({ schema: z.strictObject({}) }) body: object): object {
        return body;
      }
    }

    @Module({ imports: [DiscoveryModule], controllers: [ThingController], providers: [RouteDeclarations] })
    class ThingModule {}

    const start = NestFactory.createApplicationContext(ThingModule, { logger: false, abortOnError: false });
    await expect(start).rejects.toThrow(
      [
        'routes are not fully declared:',
        'ThingController.delete: give its path parameter a schema',
        'ThingController.create: add @RequireRole(…) or @Public()',
      ].join('\n'),
    );
  });
});

describe('field errors', () => {
  const schema = z.strictObject({
    name: z.string().default('x'),
    filter: z
      .strictObject({
        ports: z.array(z.int('expected a port').max(65_535, 'expected a port')).optional(),
        rules: z.array(z.strictObject({ a: z.string() })).optional(),
      })
      .prefault({}),
  });
  const errorsOf = (value: unknown) => {
    const result = schema.safeParse(value);
    return result.success ? [] : fieldErrors(result.error, schema, value, 'field');
  };

  it.each<[unknown, { path: string; message: string }[]]>([
    [{ filter: { foo: 1 } }, [{ path: 'filter.foo', message: 'unknown field; known: ports, rules' }]],
    [
      { filter: { rules: [{ a: 'x' }, { b: 1, a: 'y' }] } },
      [{ path: 'filter.rules.1.b', message: 'unknown field; known: a' }],
    ],
    [{ filter: { ports: [80, 70_000] } }, [{ path: 'filter.ports.1', message: 'expected a port' }]],
    [
      { filter: { rules: [{}] } },
      [
        {
          path: 'filter.rules.0.a',
          message: 'is needed: invalid input: expected string, received undefined',
        },
      ],
    ],
    [{ name: 7 }, [{ path: 'name', message: 'invalid input: expected string, received number' }]],
    [null, [{ path: '', message: 'invalid input: expected object, received null' }]],
  ])('of %j name the path', (value, errors) => {
    expect(errorsOf(value)).toEqual(errors);
  });

  it('are fifty at most, however many there are', () => {
    expect(errorsOf({ filter: { ports: Array.from({ length: 1_000 }, () => 'x') } })).toHaveLength(50);
  });
});
