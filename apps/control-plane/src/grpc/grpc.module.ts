import { Module } from '@nestjs/common';
import { CertificateAuthorityModule } from '../certificate-authority/certificate-authority.module.js';
import { GrpcServer } from './grpc-server.js';

@Module({
  imports: [CertificateAuthorityModule],
  providers: [GrpcServer],
  exports: [GrpcServer],
})
export class GrpcModule {}
