with arrivals as (

    select * from {{ source('flights', 'arrivals') }}
    where partition_day between {{ window_first() }} - 28 and {{ window_last() }}

),

tiles as (

    select
        origin,
        dest,
        partition_day + 1 as tile_end,
        count(*) as landings,
        sum(arrival_delay) as delay,
        count(*) filter (arrival_delay > 15) as late
    from arrivals
    group by all

),

spine as (

    -- The partition of day D takes effect at its end, D + 1.
    select
        origin,
        dest,
        unnest(generate_series(
            {{ window_first() }} + 1, {{ window_last() }} + 1, interval 1 day
        )) as event_timestamp
    from (select distinct origin, dest from tiles)

),

windowed as (

    -- Tiles that end in (t - 28 days, t] cover [t - 28 days, t).
    select
        spine.origin,
        spine.dest,
        spine.event_timestamp,
        sum(delay) filter (tile_end > spine.event_timestamp - interval 7 day) as delay_7d,
        sum(landings) filter (tile_end > spine.event_timestamp - interval 7 day) as landings_7d,
        sum(delay) as delay_28d,
        sum(late) as late_28d,
        sum(landings) as landings_28d
    from spine
    inner join tiles
        on spine.origin = tiles.origin
        and spine.dest = tiles.dest
        and tiles.tile_end > spine.event_timestamp - interval 28 day
        and tiles.tile_end <= spine.event_timestamp
    group by all

),

recent as (

    select
        origin,
        dest,
        event_timestamp,
        event_timestamp as created_timestamp,
        (event_timestamp - interval 1 day)::date as partition_day,
        delay_7d / landings_7d as arrival_delay_mean_7d,
        delay_28d / landings_28d as arrival_delay_mean_28d,
        late_28d / landings_28d as late_share_28d,
        landings_28d::bigint as landings_28d
    from windowed

)

select * from recent
