import { Module } from '@nestjs/common';
import { RecordStorageModule } from '../record-storage/record-storage.module.js';
import { HandshakeController } from './handshake.controller.js';
import { HandshakeService } from './handshake.service.js';
import { HandshakeStore } from './handshake.store.js';
import { HandshakeScopeService } from './handshake-scope.service.js';
import { HandshakeSummaryService } from './handshake-summary.service.js';
import { HandshakeSummaryStore } from './handshake-summary.store.js';

@Module({
  imports: [RecordStorageModule],
  controllers: [HandshakeController],
  providers: [
    HandshakeService,
    HandshakeStore,
    HandshakeScopeService,
    HandshakeSummaryService,
    HandshakeSummaryStore,
  ],
})
export class HandshakesModule {}
