import { Body, Controller, Post } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import {
  type Diagnosis,
  type DiagnosisRequest,
  diagnosisRequestSchema,
  diagnosisSchema,
} from '@synscope/api-contract';
import { RequireRole } from '../access/require-role.js';
import { Endpoint } from '../http/endpoint.js';
import { DiagnosisService } from './diagnosis.service.js';

@ApiTags('Findings')
@Controller('diagnoses')
export class DiagnosisController {
  constructor(private readonly diagnoses: DiagnosisService) {}

  @Post()
  @RequireRole('viewer')
  @Endpoint({
    summary: 'Diagnose a connection',
    description:
      'Asks the rules behind findings why handshakes or DNS queries from a source to a destination were slow or failed, of what is stored now. It starts no session, stores nothing and changes no finding.',
    response: diagnosisSchema,
  })
  diagnose(@Body({ schema: diagnosisRequestSchema }) body: DiagnosisRequest): Promise<Diagnosis> {
    return this.diagnoses.diagnose(body);
  }
}
