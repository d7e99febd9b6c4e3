import { create } from '@bufbuild/protobuf';
import { Injectable } from '@nestjs/common';
import { type Certificate, CertificateSchema } from '@synscope/protocol';
import { GrpcStatusError } from '../grpc/grpc-status.js';
import { CertificateAuthorityService } from './certificate-authority.service.js';
import { InvalidSigningRequest, publicKeyHash, readSigningRequest } from './certificates.js';

export interface AgentKey {
  readonly publicKey: Awaited<ReturnType<typeof readSigningRequest>>;
  /** SHA-256 of its SubjectPublicKeyInfo. */
  readonly hash: Buffer;
}

/** Certificates of agents in the protocol's form, for enrolment and for renewal on the stream. */
@Injectable()
export class AgentCertificates {
  constructor(private readonly authority: CertificateAuthorityService) {}

  /** The key of a signing request; INVALID_ARGUMENT if the request is not good. */
  async readKey(signingRequest: Uint8Array): Promise<AgentKey> {
    try {
      const publicKey = await readSigningRequest(signingRequest);
      return { publicKey, hash: publicKeyHash(publicKey) };
    } catch (error) {
      if (error instanceof InvalidSigningRequest)
        throw new GrpcStatusError('INVALID_ARGUMENT', error.message);
      throw error;
    }
  }

  async issue({ publicKey }: AgentKey, agentId: string): Promise<Certificate> {
    const { certificate, notAfter } = await this.authority.issueAgentCertificate(publicKey, agentId);
    return create(CertificateSchema, {
      leaf: new Uint8Array(certificate.rawData),
      certificateAuthorities: [...this.authority.trustedCertificates],
      notAfterUs: BigInt(notAfter.getTime()) * 1_000n,
    });
  }
}
