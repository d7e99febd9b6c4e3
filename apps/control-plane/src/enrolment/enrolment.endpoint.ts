import { create } from '@bufbuild/protobuf';
import { type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import {
  EnrolmentService as EnrolmentDescription,
  type EnrolRequest,
  type EnrolResponse,
  EnrolResponseSchema,
  grpcServiceDefinition,
} from '@synscope/protocol';
import { isDatabaseUnavailable } from '../database/database-unavailable.js';
import { GrpcServer } from '../grpc/grpc-server.js';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { peerAddress } from '../grpc/peer-address.js';
import { type Tolerant, tolerantDefinition } from '../grpc/tolerant-definition.js';
import { uuidToBytes } from '../grpc/uuid-bytes.js';
import { AttemptLimit } from './attempt-limit.js';
import { EnrolmentService } from './enrolment.service.js';

/** synscope.agent.v1.EnrolmentService on the wire. */
@Injectable()
export class EnrolmentEndpoint implements OnModuleInit {
  private readonly logger = new Logger('Enrolment');
  private readonly attempts = new AttemptLimit();

  constructor(
    private readonly server: GrpcServer,
    private readonly enrolment: EnrolmentService,
  ) {}

  onModuleInit(): void {
    this.server.register({
      definition: tolerantDefinition(grpcServiceDefinition(EnrolmentDescription)),
      implementation: {
        enrol: (
          call: ServerUnaryCall<Tolerant<EnrolRequest>, EnrolResponse>,
          respond: sendUnaryData<EnrolResponse>,
        ) =>
          void this.enrol(call.request, peerAddress(call.getPeer())).then(
            (response) => respond(null, response),
            (error: unknown) => respond(this.toStatus(error)),
          ),
      },
    });
  }

  private async enrol(request: Tolerant<EnrolRequest>, address: string): Promise<EnrolResponse> {
    if (!this.attempts.allows(address)) {
      throw new GrpcStatusError(
        'RESOURCE_EXHAUSTED',
        'too many failed enrolments from this address; wait a minute',
      );
    }
    try {
      if (request.malformed !== null) throw new GrpcStatusError('INVALID_ARGUMENT', request.malformed);
      const { agentId, certificate } = await this.enrolment.enrol(request.message);
      this.logger.log(`enrolled the agent ${agentId} from ${address}`);
      return create(EnrolResponseSchema, { agentId: uuidToBytes(agentId), certificate });
    } catch (error) {
      if (error instanceof GrpcStatusError) {
        if (error.code === status.UNAUTHENTICATED) this.attempts.failed(address);
        this.logger.warn(`refused an enrolment from ${address}: ${error.message}`);
      }
      throw error;
    }
  }

  private toStatus(error: unknown): GrpcStatusError {
    if (error instanceof GrpcStatusError) return error;
    if (isDatabaseUnavailable(error)) {
      return new GrpcStatusError('UNAVAILABLE', 'the database cannot be reached at the moment; try again');
    }
    this.logger.error(error, 'unexpected error of an enrolment');
    return new GrpcStatusError(
      'INTERNAL',
      'an unexpected error occurred; the log of the control plane has it',
    );
  }
}
