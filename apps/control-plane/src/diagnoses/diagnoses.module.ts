import { Module } from '@nestjs/common';
import { FindingsModule } from '../findings/findings.module.js';
import { DiagnosisController } from './diagnosis.controller.js';
import { DiagnosisService } from './diagnosis.service.js';
import { DiagnosisStore } from './diagnosis.store.js';

@Module({
  imports: [FindingsModule],
  controllers: [DiagnosisController],
  providers: [DiagnosisService, DiagnosisStore],
})
export class DiagnosesModule {}
