import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

/** A request, or why its bytes are none. */
export type Tolerant<T> = { readonly malformed: null; readonly message: T } | { readonly malformed: string };

/**
 * The same service with requests that always deserialize: grpc-js answers a throwing deserializer with INTERNAL and nothing of the
 * reason, where INVALID_ARGUMENT and the reason are due.
 */
export function tolerantDefinition(
  definition: ServiceDefinition<UntypedServiceImplementation>,
): ServiceDefinition<UntypedServiceImplementation> {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [name, tolerantMethod(method)]),
  ) as ServiceDefinition<UntypedServiceImplementation>;
}

function tolerantMethod<Request, Response>(
  method: MethodDefinition<Request, Response>,
): MethodDefinition<Tolerant<Request>, Response> {
  return {
    ...method,
    requestDeserialize: (bytes) => {
      try {
        return { malformed: null, message: method.requestDeserialize(bytes) };
      } catch (error) {
        return {
          malformed: `not a protobuf message of ${method.path}: ${error instanceof Error ? error.message : String(error)}`,
        };
      }
    },
    requestSerialize: () => {
      throw new Error('only for servers');
    },
  };
}
