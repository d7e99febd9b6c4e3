import { Injectable, type OnModuleInit } from '@nestjs/common';
import { METHOD_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { REQUIRED_ROLE } from '../access/require-role.js';
import { routeInputs } from './route-inputs.js';

/** Stops the start if a route does not say who may call it, or reads an input without a schema. */
@Injectable()
export class RouteDeclarations implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  onModuleInit(): void {
    const faults = this.discovery
      .getControllers()
      .flatMap(({ metatype }) => (metatype ? this.faultsOf(metatype) : []));
    if (faults.length > 0) throw new Error(`routes are not fully declared:\n${faults.join('\n')}`);
  }

  private faultsOf(controller: { readonly prototype?: unknown; readonly name: string }): string[] {
    const { prototype } = controller;
    if (typeof prototype !== 'object' || prototype === null) return [];
    return this.scanner.getAllMethodNames(prototype).flatMap((name) => {
      const handler: unknown = Reflect.get(prototype, name);
      if (typeof handler !== 'function' || Reflect.getMetadata(METHOD_METADATA, handler) === undefined)
        return [];
      const route = `${controller.name}.${name}`;
      const role = this.reflector.getAllAndOverride<unknown>(REQUIRED_ROLE, [
        handler as () => void,
        controller as never,
      ]);
      return [
        ...(role ? [] : [`${route}: add @RequireRole(…) or @Public()`]),
        ...routeInputs(controller, name).unchecked.map((input) => `${route}: give its ${input} a schema`),
      ];
    });
  }
}
