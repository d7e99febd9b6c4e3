import { Module } from '@nestjs/common';
import { LossSummaryStore } from './loss-summary.store.js';

@Module({ providers: [LossSummaryStore], exports: [LossSummaryStore] })
export class LossSummariesModule {}
