/** Who and what the demo is about: the people, organizations and projects of the seed. */
export const people = {
  ada: { email: "ada@example.com", full_name: "Ada Okafor", department: "Engineering" },
  john: { email: "john@example.com", full_name: "John Meyer", department: "Search" },
  jane: { email: "jane@example.com", full_name: "Jane Lindqvist", department: "Engineering" },
  bob: { email: "bob@example.com", full_name: "Bob Tanaka", department: "Quality" },
} as const;

/** The project that the agents work on. */
export const mainProject = {
  name: "Identity Service",
  description: "Signs people in by OAuth 2.0 and keeps their sessions",
};

export const acmeProjects = [
  { name: "Web Storefront", description: "What customers see" },
  { name: "Checkout", description: "Carts, prices and payment" },
  { name: "Billing Worker", description: "Invoices and reminders, every night" },
  { name: "Notification Hub", description: "Mail, push and SMS" },
  { name: "Admin Console", description: "For the support team" },
  { name: "Data Pipeline", description: "Events into the warehouse" },
  { name: "Mobile App", description: "iOS and Android" },
  { name: "Partner API", description: "What partners build on" },
  { name: "Design System", description: "Components and tokens" },
  { name: "Infrastructure", description: "Networks, clusters, alerts" },
  { name: "Docs Site", description: "Guides and the reference" },
];

export const betaProjects = [
  { name: "Crawler", description: "Fetches pages, politely" },
  { name: "Search Index", description: "Builds and serves the index" },
  { name: "Query Parser", description: "From words to a plan" },
  { name: "Ranking", description: "What comes first" },
  { name: "Spell Checker", description: "Did you mean" },
  { name: "Suggestions", description: "While you type" },
  { name: "Evaluation", description: "Judged queries and figures" },
  { name: "Front End", description: "The search page" },
];
