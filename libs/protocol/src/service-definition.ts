import {
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';

/**
 * The grpc-js definition of a protobuf-es service, so that generated types and grpc-js's transport meet without a second code
 * generator. `name` of each method is its lower-camel-case local name, as in the descriptor.
 */
export function grpcServiceDefinition(service: DescService): ServiceDefinition<UntypedServiceImplementation> {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, grpcMethodDefinition(method)]),
  ) as ServiceDefinition<UntypedServiceImplementation>;
}

/** The grpc-js definition of one method; usable with `Client.makeUnaryRequest` and `makeBidiStreamRequest`. */
export function grpcMethodDefinition<M extends DescMethod>(
  method: M,
): MethodDefinition<MessageShape<M['input']>, MessageShape<M['output']>> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    originalName: method.localName,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: (value) => serialize(method.input, value),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes) as MessageShape<M['input']>,
    responseSerialize: (value) => serialize(method.output, value),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes) as MessageShape<M['output']>,
  };
}

function serialize<S extends DescMethod['input']>(schema: S, value: MessageShape<S>): Buffer {
  const bytes = toBinary(schema, value);
  // A view, not a copy: grpc-js wants a Buffer, protobuf-es hands out a fresh Uint8Array.
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
