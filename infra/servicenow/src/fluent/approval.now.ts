import '@servicenow/sdk/global'
import { action, Flow, trigger, wfa } from '@servicenow/sdk/automation'
import { approvers } from './access.now'

/** One member of the approver group decides within two days; no answer is a no. */
export const approval = Flow(
    {
        $id: Now.ID['approval'],
        name: 'Reregister: approval of an MFA reset',
        description: 'Asks the approver group; without an answer in two days the ticket is rejected',
        runAs: 'system',
    },
    wfa.trigger(trigger.application.serviceCatalog, { $id: Now.ID['approval-ordered'] }, { run_flow_in: 'background' }),
    (params) => {
        const answer = wfa.action(
            action.core.askForApproval,
            { $id: Now.ID['approval-asked'] },
            {
                record: wfa.dataPill(params.trigger.request_item, 'reference'),
                table: 'sc_req_item',
                approval_field: 'approval',
                journal_field: 'work_notes',
                approval_reason: 'Has their identity been proven? Approve only what you know.',
                approval_conditions: wfa.approvalRules({
                    conditionType: 'OR',
                    ruleSets: [
                        {
                            action: 'ApprovesRejects',
                            conditionType: 'AND',
                            rules: [[{ ruleType: 'Any', users: [], groups: [approvers.$id], manual: false }]],
                        },
                    ],
                }),
                due_date: wfa.approvalDueDate({
                    action: 'reject',
                    dateType: 'actual',
                    date: '{}',
                    duration: 2,
                    durationType: 'days',
                    daysSchedule: '',
                }),
            }
        )
        wfa.flowLogic.if(
            { $id: Now.ID['approval-given'], condition: `${wfa.dataPill(answer.approval_state, 'choice')}=approved` },
            () => {
                // A flow that ends might close its ticket, and Reregister acts on open ones only.
                wfa.action(
                    action.core.waitForCondition,
                    { $id: Now.ID['approval-closed'] },
                    {
                        record: `${wfa.dataPill(params.trigger.request_item, 'reference')}`,
                        table_name: 'sc_req_item',
                        conditions: 'active=false',
                    }
                )
            }
        )
        wfa.flowLogic.else({ $id: Now.ID['approval-not-given'] }, () => {
            wfa.action(
                action.core.updateRecord,
                { $id: Now.ID['approval-rejected'] },
                {
                    table_name: 'sc_req_item',
                    record: wfa.dataPill(params.trigger.request_item, 'reference'),
                    values: TemplateValue({ approval: 'rejected', state: '4' }),
                }
            )
        })
    }
)
