with departures as (

    select * from {{ source('flights', 'departures') }}
    where partition_day between {{ window_first() }} - 7 and {{ window_last() }}

),

tiles as (

    select
        origin,
        time_bucket(interval 1 hour, departed_at) as tile,
        count(*) as departures,
        sum(departure_delay) as delay,
        count(*) filter (departure_delay > 15) as late
    from departures
    group by all

),

spine as (

    select
        origin,
        unnest(generate_series(
            {{ window_first() }} - interval 7 day,
            {{ window_last() }} + interval 23 hour,
            interval 1 hour
        )) as event_timestamp
    from (select distinct origin from tiles)

),

windowed as (

    select
        spine.origin,
        spine.event_timestamp,
        {{ trailing_sum('delay', 1, 'spine.origin', 'spine.event_timestamp') }} as delay_1h,
        {{ trailing_sum('departures', 1, 'spine.origin', 'spine.event_timestamp') }} as departures_1h,
        {{ trailing_sum('delay', 3, 'spine.origin', 'spine.event_timestamp') }} as delay_3h,
        {{ trailing_sum('late', 3, 'spine.origin', 'spine.event_timestamp') }} as late_3h,
        {{ trailing_sum('departures', 3, 'spine.origin', 'spine.event_timestamp') }} as departures_3h,
        {{ trailing_sum('delay', 24, 'spine.origin', 'spine.event_timestamp') }} as delay_24h,
        {{ trailing_sum('departures', 24, 'spine.origin', 'spine.event_timestamp') }} as departures_24h,
        {{ trailing_sum('departures', 168, 'spine.origin', 'spine.event_timestamp') }} as departures_7d
    from spine
    left join tiles
        on spine.origin = tiles.origin and spine.event_timestamp = tiles.tile

),

recent as (

    select
        origin,
        event_timestamp,
        event_timestamp as created_timestamp,
        event_timestamp::date as partition_day,
        delay_1h / departures_1h as departure_delay_mean_1h,
        delay_3h / departures_3h as departure_delay_mean_3h,
        delay_24h / departures_24h as departure_delay_mean_24h,
        late_3h / departures_3h as late_share_3h,
        coalesce(departures_3h, 0)::bigint as departures_3h
    from windowed
    where departures_7d > 0 and {{ in_window('event_timestamp::date') }}

)

select * from recent
