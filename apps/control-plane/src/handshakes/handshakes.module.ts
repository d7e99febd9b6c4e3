import { Module } from '@nestjs/common';
import { HandshakePairsModule } from '../handshake-pairs/handshake-pairs.module.js';
import { RecordQueriesModule } from '../record-queries/record-queries.module.js';
import { HandshakeController } from './handshake.controller.js';
import { HandshakeService } from './handshake.service.js';
import { HandshakeHeatmapService } from './handshake-heatmap.service.js';
import { HandshakeHeatmapStore } from './handshake-heatmap.store.js';

@Module({
  imports: [HandshakePairsModule, RecordQueriesModule],
  controllers: [HandshakeController],
  providers: [HandshakeService, HandshakeHeatmapService, HandshakeHeatmapStore],
  exports: [HandshakeService],
})
export class HandshakesModule {}
