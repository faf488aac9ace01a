export { Simulation, simulationEntities } from './simulation.entity.js';
export { simulationHandlers, simulationJobs } from './simulation.jobs.js';
export { SimulationResolver, SimulationResultsResolver, type SimulationContext } from './simulation.resolver.js';
export { SimulationRunner } from './simulation-runner.js';
export { SimulationType } from './simulation.types.js';
export { SimulationsService } from './simulations.service.js';
