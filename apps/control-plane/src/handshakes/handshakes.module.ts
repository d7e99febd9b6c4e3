import { Module } from '@nestjs/common';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { HandshakeController } from './handshake.controller.js';
import { HandshakeService } from './handshake.service.js';
import { HandshakeHeatmapService } from './handshake-heatmap.service.js';
import { HandshakeHeatmapStore } from './handshake-heatmap.store.js';

@Module({
  imports: [RecordQueriesModule],
  controllers: [HandshakeController],
  providers: [HandshakeService, HandshakeHeatmapService, HandshakeHeatmapStore],
})
export class HandshakesModule {}
