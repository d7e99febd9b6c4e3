import { Module } from '@nestjs/common';
import { RecordStorageModule } from '../record-storage/record-storage.module.js';
import { BothEndsService } from './both-ends.service.js';
import { BothEndsStore } from './both-ends.store.js';
import { HandshakeJoin } from './handshake-join.js';
import { HandshakeJoinMetrics } from './handshake-join.metrics.js';
import { HandshakeJoiner } from './handshake-joiner.js';
import { HandshakePairStore } from './handshake-pair.store.js';
import { JoinProgressStore } from './join-progress.store.js';

/** Both ends of a handshake, and where its time went. */
@Module({
  imports: [RecordStorageModule],
  providers: [
    BothEndsService,
    BothEndsStore,
    HandshakeJoin,
    HandshakeJoinMetrics,
    HandshakeJoiner,
    HandshakePairStore,
    JoinProgressStore,
  ],
  exports: [BothEndsService],
})
export class HandshakePairsModule {}
