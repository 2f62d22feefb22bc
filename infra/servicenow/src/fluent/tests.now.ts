import '@servicenow/sdk/global'
import { Test } from '@servicenow/sdk/core'

/** The role `itil` of every instance. By its name the SDK would make up a new sys_id with every build. */
const ITIL = '282bf1fac6112285017366cb5f867469'

/** Runs on an instance only. With an address set, the events of its made-up tickets are sent, and refused for want of approvals. */
Test(
    {
        $id: Now.ID['test-try-again'],
        name: 'Reregister: only the desk tries again, and it makes an event',
        description: 'The button is for the desk, on approved tickets of this item; it leaves a row in the outbox',
        active: true,
        failOnServerError: true,
    },
    (atf) => {
        const approved = atf.server.recordInsert({
            $id: Now.ID['test-approved'],
            table: 'sc_req_item',
            fieldValues: { cat_item: Now.ref('sc_cat_item', 'item'), approval: 'approved', short_description: 'Reregister: test' },
            assert: 'record_successfully_inserted',
            enforceSecurity: false,
        })
        const waiting = atf.server.recordInsert({
            $id: Now.ID['test-waiting'],
            table: 'sc_req_item',
            fieldValues: { cat_item: Now.ref('sc_cat_item', 'item'), approval: 'requested', short_description: 'Reregister: test' },
            assert: 'record_successfully_inserted',
            enforceSecurity: false,
        })
        atf.server.createUser({
            $id: Now.ID['test-outsider'],
            firstName: 'Reregister',
            lastName: 'Outsider',
            fieldValues: {},
            groups: [],
            roles: [ITIL],
            impersonate: true,
        })
        atf.form.openExistingRecord({
            $id: Now.ID['test-outsider-opens'],
            table: 'sc_req_item',
            recordId: approved.record_id,
            formUI: 'standard_ui',
            view: '',
        })
        atf.form.uiActionVisibility({
            $id: Now.ID['test-outsider-sees'],
            table: 'sc_req_item',
            visible: [],
            notVisible: [Now.ref('sys_ui_action', 'try-again')],
            formUI: 'standard_ui',
        })
        atf.server.createUser({
            $id: Now.ID['test-desk'],
            firstName: 'Reregister',
            lastName: 'Desk',
            fieldValues: {},
            groups: [],
            roles: [ITIL, Now.ref('sys_user_role', { name: 'x_rereg_mfa.desk' })],
            impersonate: true,
        })
        atf.form.openExistingRecord({
            $id: Now.ID['test-desk-opens-waiting'],
            table: 'sc_req_item',
            recordId: waiting.record_id,
            formUI: 'standard_ui',
            view: '',
        })
        atf.form.uiActionVisibility({
            $id: Now.ID['test-desk-sees-waiting'],
            table: 'sc_req_item',
            visible: [],
            notVisible: [Now.ref('sys_ui_action', 'try-again')],
            formUI: 'standard_ui',
        })
        atf.form.openExistingRecord({
            $id: Now.ID['test-desk-opens'],
            table: 'sc_req_item',
            recordId: approved.record_id,
            formUI: 'standard_ui',
            view: '',
        })
        atf.form.clickUIAction({
            $id: Now.ID['test-desk-clicks'],
            table: 'sc_req_item',
            uiAction: Now.ref('sys_ui_action', 'try-again'),
            formUI: 'standard_ui',
            assert: 'form_submitted_to_server',
        })
        // The rule on approval makes sn_<sys_id>_0; the button's note counts as a change, so that its event is another.
        atf.server.recordQuery({
            $id: Now.ID['test-event'],
            table: 'x_rereg_mfa_outbox',
            fieldValues: `ticket=${approved.record_id}^event_idNOT LIKE_0`,
            assert: 'records_match_query',
            enforceSecurity: false,
        })
    }
)
