-- A role's permission patterns with those it inherits, its own first, each with the name of the role
-- that it is written in: what permissions are decided by, and why.
create function role_sources(role uuid) returns json language sql stable as $$
  with recursive chain as (
    select id, name, inherits_from, permissions from roles where id = role
    union all
    select r.id, r.name, r.inherits_from, r.permissions
    from roles r join chain c on r.id = c.inherits_from
  ) cycle id set is_cycle using path
  select coalesce(
    json_agg(json_build_object('via', name, 'pattern', pattern) order by cardinality(path), pattern),
    '[]')
  from chain, unnest(permissions) as pattern where not is_cycle
$$;
