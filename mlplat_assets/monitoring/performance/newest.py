"""Which findings of a claim count now, for the asset's checks and for the console."""


def newest_findings(findings: str) -> str:
    """The query of a variant's newest findings, by claim, version and subject; it is bound once.

    Of each claim the newest day on which something could be measured, sure or not; before there is
    one, the newest.

    Args:
        findings: The lake table.
    """
    return f"""
        with own as (select * from {findings} where variant = ?),
        chosen as (
            select claim, coalesce(
                max(partition_day) filter (where value is not null), max(partition_day)
            ) as day from own group by claim
        )
        select own.* from own join chosen using (claim)
        where partition_day = day order by claim, version, subject"""
