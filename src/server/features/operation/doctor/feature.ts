import { doctor } from "#shared/api/operation/doctor.js";
import { routesOf } from "../../../http/register-routes.js";
import type { Feature } from "../../feature.js";
import type { Services } from "../../services.js";
import { doctorHandlers } from "./routes.js";

export function doctorFeature(services: Services): Feature {
  return { name: "doctor", routes: [routesOf(doctor, doctorHandlers(services))] };
}
