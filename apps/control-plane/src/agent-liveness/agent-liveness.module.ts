import { Module } from '@nestjs/common';
import { AgentLiveness } from './agent-liveness.js';

@Module({ providers: [AgentLiveness], exports: [AgentLiveness] })
export class AgentLivenessModule {}
