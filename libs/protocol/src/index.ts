export { type ClockDifference, ClockFilter, type RoundTrip } from './clock-filter.js';
export * from './gen/synscope/agent/v1/enrolment_pb.js';
export * from './gen/synscope/agent/v1/link_pb.js';
export * from './gen/synscope/agent/v1/records_pb.js';
export * from './gen/synscope/agent/v1/session_pb.js';
export { OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION } from './protocol-version.js';
export { grpcMethodDefinition, grpcServiceDefinition } from './service-definition.js';
